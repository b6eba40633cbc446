import { mapAnonymous } from '../sys/memory.js';

// Members of fuse-native's struct fuse_thread_locals_t, version 2.2.6.
const LOCALS_BYTES = 360;
const LOCALS_BUFFER = 56;
const LOCALS_OFFSET = 64;
const LOCALS_LENGTH = 72;
const LOCALS_RESULT = 120;
const LOCALS_SEMAPHORE = 200;

/** Threads of which one piece of memory keeps the locals. */
const THREADS = 256;

/** What fuse-native keeps of a thread of libfuse: it hands it back with each request. */
export interface NativeThread extends Buffer {
  /** Where it lies. */
  address: number;
}

/**
 * Memory for what fuse-native keeps of each thread. In one piece, because for every request libuv
 * looks at all of them: with 256 threads that makes 15 K requests a second at depth 1 out of 6 K.
 *
 * @param taken Called each time, before any use.
 */
export function localsMemory(taken: () => void): (bytes: number) => Buffer {
  let free = 0;
  let address = 0;
  let buffer = new ArrayBuffer(0);
  return (bytes) => {
    const rounded = (bytes + 63) & ~63;
    if (free + rounded > buffer.byteLength) {
      ({ address, buffer } = mapAnonymous(rounded * THREADS));
      free = 0;
    }
    const piece = Object.assign(Buffer.from(buffer, free, bytes), { address: address + free });
    free += rounded;
    taken();
    return piece;
  };
}

/** Whether the locals of a thread that asks for a transfer are as we think. */
export function hasKnownLayout(thread: NativeThread, length: number, offset: number): boolean {
  return (
    thread.length === LOCALS_BYTES &&
    thread.readUInt32LE(LOCALS_LENGTH) === length &&
    readLong(thread, LOCALS_OFFSET) === offset
  );
}

/** Where the thread wants the data of its READ. */
export function bufferAddress(thread: NativeThread): number {
  return readLong(thread, LOCALS_BUFFER);
}

/** Leaves the result that the thread will find. @returns The address of what it waits for: a uv_sem_t. */
export function prepareReply(thread: NativeThread, result: number): number {
  thread.writeInt32LE(result, LOCALS_RESULT);
  return thread.address + LOCALS_SEMAPHORE;
}

function readLong(thread: NativeThread, at: number): number {
  return thread.readUInt32LE(at) + thread.readUInt32LE(at + 4) * 4294967296;
}
