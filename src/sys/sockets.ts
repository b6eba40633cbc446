import { readSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { ERRNO } from '../util/errno.js';
import { close, declare, libc } from './libc.js';

// Numbers of Linux for socket(2), socket(7), tcp(7), send(2).
const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_USER_TIMEOUT = 18;
const SHUT_RDWR = 2;

export const MSG_DONTWAIT = 0x40;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;

const socket = declare<[number, number, number]>('int socket(int domain, int type, int protocol)');
const connectBytes = declare<[number, Uint8Array, number]>(
  'int connect(int fd, const uint8_t *address, uint length)',
);
const connectPointer = declare<[number, unknown, number]>(
  'int connect(int fd, const void *address, uint length)',
);
const setsockopt = declare<[number, number, number, Uint8Array, number]>(
  'int setsockopt(int fd, int level, int name, const uint8_t *value, uint length)',
);
const shutdownCall = declare<[number, number]>('int shutdown(int fd, int how)');

/** send(2). */
export const send = declare<[number, Uint8Array, number, number]>(
  'int64 send(int fd, const uint8_t *bytes, size_t length, int flags)',
);

const AddressInfo = koffi.struct({
  flags: 'int',
  family: 'int',
  type: 'int',
  protocol: 'int',
  addressBytes: 'uint',
  address: 'void *',
  name: 'void *',
  next: 'void *',
});
const getaddrinfo = libc.func('getaddrinfo', 'int', [
  'str',
  'str',
  koffi.pointer(AddressInfo),
  koffi.out(koffi.pointer('void *')),
]);
const freeaddrinfo = libc.func('freeaddrinfo', 'void', ['void *']);
const gaiStrerror = libc.func('gai_strerror', 'str', ['int']);

interface Found {
  family: number;
  addressBytes: number;
  address: unknown;
  next: unknown;
}

/** Ends what is under way on a socket: reads get 0, writes EPIPE. */
export function shutDown(descriptor: number): void {
  shutdownCall(descriptor, SHUT_RDWR);
}

/**
 * Connects to a Unix socket, and waits for it.
 * @param timeoutMs Of the connection, and from then on of each plain read and write.
 * @returns The descriptor, or -errno.
 */
export function connectUnix(path: string, timeoutMs: number): number {
  const bytes = Buffer.alloc(2 + Buffer.byteLength(path) + 1);
  bytes.writeUInt16LE(AF_UNIX, 0);
  bytes.write(path, 2);
  const descriptor = newSocket(AF_UNIX, timeoutMs);
  if (descriptor < 0) return descriptor;
  return connected(descriptor, () => connectBytes(descriptor, bytes, bytes.length));
}

/**
 * Sends one datagram to a Unix socket, without waiting.
 * @param path Its file, or a name in the abstract namespace, which begins with `@`.
 * @returns What send(2) returns, or -errno.
 */
export function sendDatagram(path: string, bytes: Uint8Array): number {
  const name = Buffer.from(path);
  const isAbstract = path.startsWith('@');
  if (isAbstract) name[0] = 0;
  const address = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return descriptor;
  const result = connectBytes(descriptor, address, address.length);
  const flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  const sent = result < 0 ? result : Number(send(descriptor, bytes, bytes.length, flags));
  close(descriptor);
  return sent;
}

/**
 * Connects to a host by TCP, and waits for it: tries all its addresses.
 * @param timeoutMs As of `connectUnix`, for each address.
 * @returns The descriptor, or -errno; or why the host's name cannot be resolved.
 */
export function connectTcp(host: string, port: number, timeoutMs: number): number | string {
  const hints = { flags: 0, family: AF_UNSPEC, type: SOCK_STREAM, protocol: 0 };
  const out: unknown[] = [null];
  const failed = getaddrinfo(host, String(port), { ...hints, addressBytes: 0 }, out) as number;
  if (failed !== 0) return gaiStrerror(failed) as string;
  let result = -ERRNO.EADDRNOTAVAIL;
  try {
    for (let at = out[0]; at !== null && result < 0; ) {
      const { family, address, addressBytes, next } = koffi.decode(at, AddressInfo) as Found;
      result = newSocket(family, timeoutMs);
      if (result >= 0) {
        const descriptor = result;
        setTcp(descriptor, timeoutMs);
        result = connected(descriptor, () => connectPointer(descriptor, address, addressBytes));
      }
      at = next;
    }
  } finally {
    freeaddrinfo(out[0]);
  }
  return result;
}

function newSocket(family: number, timeoutMs: number): number {
  const descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0) setTimeouts(descriptor, timeoutMs);
  return descriptor;
}

/** Of each plain read and write of a socket. */
export function setTimeouts(descriptor: number, timeoutMs: number): void {
  const timeval = new BigInt64Array([
    BigInt(Math.floor(timeoutMs / 1000)),
    BigInt(Math.round(timeoutMs % 1000) * 1000),
  ]);
  const bytes = new Uint8Array(timeval.buffer);
  for (const name of [SO_RCVTIMEO, SO_SNDTIMEO]) {
    setsockopt(descriptor, SOL_SOCKET, name, bytes, bytes.length);
  }
}

/** A host that is gone is noticed after a third of the time: by its silence, or by what it does not take. */
function setTcp(descriptor: number, timeoutMs: number): void {
  const third = Math.max(1, Math.round(timeoutMs / 3000));
  setNumber(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  setNumber(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  setNumber(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, third);
  setNumber(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, third);
  setNumber(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, third * 1000);
}

function setNumber(descriptor: number, level: number, name: number, value: number): void {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  setsockopt(descriptor, level, name, bytes, bytes.length);
}

/** A second call goes on where a signal has ended the first one: so it is on Linux. */
function connected(descriptor: number, connect: () => number): number {
  let result = connect();
  while (result === -ERRNO.EINTR) result = connect();
  if (result >= 0) return descriptor;
  close(descriptor);
  // A connection that takes too long has this error: the socket is one that waits.
  return result === -ERRNO.EINPROGRESS || result === -ERRNO.EAGAIN ? -ERRNO.ETIMEDOUT : result;
}

/** Moves bytes between memory and a socket. @returns A count, 0 at the end, -ETIMEDOUT, or another -errno. */
export type SocketCall = (descriptor: number, bytes: Uint8Array) => number;

export const socketRead: SocketCall = (descriptor, bytes) =>
  waiting(() => readSync(descriptor, bytes));

export const socketWrite: SocketCall = (descriptor, bytes) =>
  waiting(() => writeSync(descriptor, bytes));

/** With a time limit the kernel does not go on by itself after a signal. */
function waiting(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      const { code, errno = -ERRNO.EIO } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return -ERRNO.ETIMEDOUT;
      if (code !== 'EINTR') return errno;
    }
  }
}
