import { closeSync, readlinkSync, writeSync } from 'node:fs';
import test from 'ava';
import koffi from 'koffi';
import { receiveFd, socketPair } from '../../src/sys/unix-socket.js';

// The sender lets koffi lay out the C structures, so it shares no offsets with the receiver.
const libc = koffi.load('libc.so.6');
const iovec = koffi.struct({ base: 'void *', len: 'size_t' });
const message = koffi.struct({
  name: 'void *',
  nameLength: 'uint32_t',
  iov: koffi.pointer(iovec),
  iovCount: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});
const sendmsg = libc.func('sendmsg', 'int64_t', ['int', koffi.pointer(message), 'int']);
const fcntl = libc.func('int fcntl(int fd, int command, int argument)');
const pipe = libc.func('int pipe(_Out_ int *pair)');

function makePipe(): [number, number] {
  const pair = new Int32Array(2);
  if (pipe(pair) !== 0) throw new Error('pipe');
  return [pair[0], pair[1]];
}

/** Sends one byte with `fds` as SCM_RIGHTS: cmsghdr is length u64, level 1, type 1. */
function sendFds(socket: number, fds: number[]): void {
  const control = Buffer.alloc(16 + 8 * Math.ceil(fds.length / 2));
  control.writeBigUInt64LE(BigInt(16 + 4 * fds.length), 0);
  control.writeInt32LE(1, 8);
  control.writeInt32LE(1, 12);
  fds.forEach((fd, i) => {
    control.writeInt32LE(fd, 16 + 4 * i);
  });
  const sent = sendmsg(
    socket,
    {
      name: null,
      nameLength: 0,
      iov: [{ base: Buffer.from('x'), len: 1 }],
      iovCount: 1,
      control,
      controlLength: control.length,
      flags: 0,
    },
    0,
  );
  if (sent !== 1) throw new Error(`sendmsg: errno ${koffi.errno()}`);
}

function target(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

test('a descriptor that one end sends is the same file at the other end, closed on exec', (t) => {
  const [a, b] = socketPair();
  const [read, write] = makePipe();
  sendFds(a, [read]);
  const got = receiveFd(b);
  t.true(got > 2);
  t.not(got, read);
  t.is(target(got), target(read));
  t.is(fcntl(got, 1, 0), 1, 'FD_CLOEXEC');
  for (const fd of [a, b, read, write, got]) closeSync(fd);
});

test('nothing sent yet is EAGAIN, a closed end and a bare byte are ENODATA', (t) => {
  const [a, b] = socketPair();
  t.is(receiveFd(b), -11);
  writeSync(a, 'x');
  t.is(receiveFd(b), -61);
  closeSync(a);
  t.is(receiveFd(b), -61);
  closeSync(b);
});

test('of two descriptors the second one is not left open', (t) => {
  const [a, b] = socketPair();
  const [read, write] = makePipe();
  sendFds(a, [read, write]);
  const got = receiveFd(b);
  t.is(target(got), target(read));
  // The pipe reports POLLHUP only if no copy of `write` is open any more.
  for (const fd of [a, b, write]) closeSync(fd);
  const poll = libc.func('int poll(void *fds, unsigned long count, int timeout)');
  const pollfd = Buffer.alloc(8);
  pollfd.writeInt32LE(got, 0);
  t.is(poll(pollfd, 1, 0), 1);
  t.is(pollfd.readUInt16LE(6) & 0x10, 0x10, 'POLLHUP');
  for (const fd of [read, got]) closeSync(fd);
});

test('the ends of a pair are closed on exec', (t) => {
  for (const fd of socketPair()) {
    t.is(fcntl(fd, 1, 0), 1);
    closeSync(fd);
  }
});
