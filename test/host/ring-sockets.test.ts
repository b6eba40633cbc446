import { readSync, writeSync } from 'node:fs';
import { RingSockets } from '../../src/host/ring-sockets.js';
import { close } from '../../src/sys/libc.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { socketPair } from '../../src/sys/unix-socket.js';
import { Ring } from '../../src/uring/ring.js';
import { TAG_INDEX, TAG_KIND } from '../../src/uring/tags.js';
import { requires } from '../helpers/requires.js';

requires('io_uring')(
  'bytes go both ways; a closed socket keeps its memory until the ring is done',
  (t) => {
    const ring = new Ring(8);
    const sockets = new RingSockets(ring);
    const [own, other] = socketPair();
    const memory = mapAnonymous(8192);
    const bytes = new Uint8Array(memory.buffer);
    const lines: string[] = [];
    const open = (descriptor: number) =>
      sockets.open(descriptor, memory, {
        sent: (result) => lines.push(`sent ${result}`),
        received: (result) => lines.push(`received ${result}`),
        closed: () => lines.push('closed'),
      });
    const turn = (): void => {
      while (!ring.peek()) ring.submitAndWait(1e9);
      const { completedTag: tag, completedResult: result } = ring;
      ring.advance();
      sockets.completed(tag & TAG_KIND, tag & TAG_INDEX, result);
    };
    const wire = open(own);
    bytes.fill(7, 0, 100);
    wire.send(memory.address, 100);
    turn();
    t.is(readSync(other, new Uint8Array(200)), 100);
    wire.receive(memory.address + 4096, 10, false);
    writeSync(other, Uint8Array.of(1, 2, 3));
    turn();
    t.deepEqual(bytes.slice(4096, 4099), Uint8Array.of(1, 2, 3));
    // All of them, in two parts.
    wire.receive(memory.address, 4, true);
    writeSync(other, Uint8Array.of(4, 5));
    ring.submit();
    writeSync(other, Uint8Array.of(6, 7));
    turn();
    t.deepEqual(bytes.slice(0, 4), Uint8Array.of(4, 5, 6, 7));
    t.deepEqual(lines, ['sent 100', 'received 3', 'received 4']);
    wire.receive(memory.address, 10, false);
    ring.submit();
    wire.close();
    t.is(lines.length, 3);
    turn();
    t.deepEqual(lines.slice(3), ['closed']);
    close(other);
    // Its place is free again.
    const [next, far] = socketPair();
    open(next).close();
    t.deepEqual(lines.slice(4), ['closed']);
    close(far);
  },
);
