import koffi from 'koffi';
import { libc } from './libc.js';

// The C library has no functions for the system calls of io_uring, so they go through syscall(2). Each
// declares it with its own argument types, so that koffi converts nothing at run time. All return -errno
// on failure.
const NR_IO_URING_SETUP = 425;
const NR_IO_URING_ENTER = 426;
const NR_IO_URING_REGISTER = 427;

const setupCall = libc.func('syscall', 'long', ['long', 'uint', 'void *']);
const enterCall = libc.func('syscall', 'long', [
  'long',
  'int',
  'uint',
  'uint',
  'uint',
  'int64',
  'size_t',
]);
const registerCall = libc.func('syscall', 'long', ['long', 'int', 'uint', 'void *', 'uint']);

/** io_uring_setup(2): `params` is struct io_uring_params, read and written. */
export function uringSetup(entries: number, params: DataView): number {
  const bytes = new Uint8Array(params.buffer, params.byteOffset, params.byteLength);
  const result = setupCall(NR_IO_URING_SETUP, entries, bytes) as number;
  return result < 0 ? -koffi.errno() : result;
}

/** io_uring_enter(2): `argument` is an address, 0 for none. */
export function uringEnter(
  ring: number,
  submit: number,
  minComplete: number,
  flags: number,
  argument: number,
  argumentBytes: number,
): number {
  const result = enterCall(
    NR_IO_URING_ENTER,
    ring,
    submit,
    minComplete,
    flags,
    argument,
    argumentBytes,
  ) as number;
  return result < 0 ? -koffi.errno() : result;
}

/** io_uring_register(2): `argument` is read, or written by the probe. */
export function uringRegister(
  ring: number,
  opcode: number,
  argument: Int32Array | Uint8Array,
  count: number,
): number {
  const result = registerCall(NR_IO_URING_REGISTER, ring, opcode, argument, count) as number;
  return result < 0 ? -koffi.errno() : result;
}
