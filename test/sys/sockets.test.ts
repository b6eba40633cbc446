import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { close } from '../../src/sys/libc.js';
import {
  connectTcp,
  connectUnix,
  shutDown,
  socketRead,
  socketWrite,
} from '../../src/sys/sockets.js';
import { socketPair } from '../../src/sys/unix-socket.js';
import { tempFolder } from '../helpers/temp.js';

test('a host is connected to by name and by address', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  for (const host of ['127.0.0.1', 'localhost']) {
    const descriptor = connectTcp(host, port, 1000) as number;
    t.true(descriptor >= 0, `${host}: ${descriptor}`);
    close(descriptor);
  }
});

test('what cannot be connected to is an errno, or a sentence about the name', (t) => {
  t.is(connectTcp('127.0.0.1', 1, 1000), -111);
  t.is(typeof connectTcp('no.such.name.invalid', 1, 1000), 'string');
  t.is(connectUnix(join(tempFolder(t), 'none'), 1000), -2);
});

test('reads and writes of a socket give counts, 0 at the end, or -errno', (t) => {
  const [one, other] = socketPair();
  t.is(socketWrite(one, Uint8Array.of(1, 2)), 2);
  t.is(socketRead(other, new Uint8Array(10)), 2);
  shutDown(one);
  t.is(socketRead(other, new Uint8Array(10)), 0);
  t.is(socketWrite(other, Uint8Array.of(1)), -32);
  close(one);
  close(other);
});
