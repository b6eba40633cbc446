import { readSync, writeSync } from 'node:fs';
import test from 'ava';
import { netSockets } from '../../src/host/net-sockets.js';
import { close } from '../../src/sys/libc.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { socketPair } from '../../src/sys/unix-socket.js';

test('bytes go both ways, and the end of the other side is told once', async (t) => {
  const [own, other] = socketPair();
  const memory = mapAnonymous(8192);
  const bytes = new Uint8Array(memory.buffer);
  const buffer = mapAnonymous(4096);
  let turns = 0;
  let tell: (line: string) => void = () => {};
  const next = () =>
    new Promise<string>((resolve) => {
      tell = resolve;
    });
  const open = netSockets(() => turns++);
  const wire = open(own, buffer, {
    sent: (result) => tell(`sent ${result}`),
    received: (result) => tell(`received ${result}`),
    closed: () => tell('closed'),
  });
  bytes.fill(7, 0, 100);
  wire.send(memory.address, 100);
  t.is(await next(), 'sent 100');
  const got = new Uint8Array(200);
  t.is(readSync(other, got), 100);
  t.deepEqual(got.subarray(0, 100), bytes.slice(0, 100));
  writeSync(other, Uint8Array.of(1, 2, 3));
  t.is(await next(), 'received 3');
  t.deepEqual(new Uint8Array(buffer.buffer, 0, 3), Uint8Array.of(1, 2, 3));
  close(other);
  t.is(await next(), 'received 0');
  wire.close();
  t.is(await next(), 'closed');
  t.true(turns >= 4);
});
