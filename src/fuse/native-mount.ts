import { accessSync, constants, readFileSync, readlinkSync } from 'node:fs';
import { F_DUPFD_CLOEXEC } from '../sys/constants.js';
import { close, fcntl } from '../sys/libc.js';
import { writeBytes } from '../sys/libfuse.js';
import { ERRNO } from '../util/errno.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';
import * as abi from './abi.js';
import { EVERYTHING, encodeInit } from './init.js';
import { type FuseMount, isGone, makePlan, watchMount } from './mount.js';
import { deviceError } from './mount-errors.js';
import { fusermountOptions, type MountPlan, type MountRequest } from './mount-options.js';
import { nativeCallbacks } from './native-callbacks.js';
import { localsMemory } from './native-locals.js';
import type { NativeFuse, NativePackage } from './native-package.js';
import type { NativeSession } from './native-session.js';
import { NativeThreads } from './native-threads.js';
import { writeReplyHeader } from './wire.js';

/**
 * Requests that the kernel sends before it makes callers wait. Each held request takes a thread (4096
 * threads: 131 MB resident), so the 65535 of the ring are too many here.
 */
const MAX_BACKGROUND = 4096;

/** fuse-native cuts longer options off. */
const OPTION_BYTES = 1023;

// Two consecutive members of fuse-native's struct fuse_thread_t.
const THREAD_CHANNEL = 376;
const THREAD_MOUNTPOINT = 384;

/** A mount by libfuse that answers. */
export interface NativeMount extends FuseMount {
  /** libfuse's threads, ours among them; null where libfuse manages alone. */
  readonly threads: NativeThreads | null;
  /** Another descriptor of the connection, which stays open when libfuse ends. The caller closes it. */
  readonly watched: number;
  /** Requests to which the kernel has no reply yet; null if it does not say, as fusectl is not mounted. */
  unanswered(): number | null;
}

/** How often a mount that starts is asked whether it is gone, milliseconds. */
const INIT_LOOK_MS = 50;

/**
 * Mounts through fuse-native and resolves when the kernel's INIT has been answered. As root libfuse
 * calls mount(2), else `fusermount`.
 *
 * @throws SluiceError EXIT_MOUNT, also if somebody unmounts it meanwhile; EXIT_USAGE for a bad option.
 */
export async function mountNative(
  request: MountRequest,
  native: NativePackage,
  session: NativeSession,
): Promise<NativeMount> {
  const plan = makePlan(request);
  // libfuse reports errors on stderr only.
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch (error) {
    throw deviceError((error as NodeJS.ErrnoException).code ?? 'EIO');
  }
  // Stack size of the threads that libfuse starts itself; its default is the system's 8 MiB.
  process.env.FUSE_THREAD_STACK ??= String(256 << 10);
  let threads: NativeThreads | null = null;
  const fuse: NativeFuse = new native.Fuse(
    plan.mountpoint,
    {
      ...nativeCallbacks(session),
      init: (answer) => {
        threads = answerInit(native, fuse, plan);
        // An unanswered INIT keeps its thread, so libfuse does not free the memory that our threads use.
        if (threads === null) answer(0);
      },
    },
    { timeout: false },
  );
  fuse._fuseOptions = () => nativeOptions(plan);
  fuse._malloc = localsMemory(() => threads?.appeared());
  const { read, write } = session.transferHandlers(native.binding);
  fuse._handlers[native.binding.op_read] = read;
  fuse._handlers[native.binding.op_write] = write;
  const watched = await answered(native, fuse, plan);
  const mount = await watchMount(plan.mountpoint, watched, process.geteuid?.() !== 0);
  // Where libfuse has answered INIT itself, it closes its descriptor itself.
  const fd = threads === null ? -1 : native.libfuse.descriptor(channelOf(fuse));
  const connection = mount.device.split(':')[1];
  return { ...mount, fd, watched, threads, unanswered: () => unanswered(connection) };
}

/** @param connection The minor number of the mount's device. */
function unanswered(connection: string | undefined): number | null {
  try {
    return Number(readFileSync(`/sys/fs/fuse/connections/${connection}/waiting`, 'utf8'));
  } catch {
    return null;
  }
}

/**
 * Mounts and waits until INIT is answered.
 *
 * @returns A descriptor of the connection that is ours: libfuse closes its own one when a session ends
 *   that has not begun, and another file may get the number.
 */
async function answered(native: NativePackage, fuse: NativeFuse, plan: MountPlan): Promise<number> {
  const { binding, libfuse } = native;
  const mountNow = binding.fuse_native_mount;
  let watched = -1;
  let isMade = false;
  let look: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      binding.fuse_native_mount = (...words) => {
        mountNow(...words);
        isMade = true;
        watched = ownDescriptor(libfuse.descriptor(channelOf(fuse)));
        if (watched < 0) reject(unmounted(plan));
      };
      fuse.mount((error) => (error === null ? resolve() : reject(failed(plan, error))));
      // Without a connection INIT never comes.
      look = setInterval(() => watched >= 0 && isGone(watched) && resolve(), INIT_LOOK_MS);
    });
    if (isGone(watched)) throw unmounted(plan);
    return watched;
  } catch (error) {
    if (watched >= 0) close(watched);
    throw error;
  } finally {
    clearInterval(look);
    binding.fuse_native_mount = mountNow;
    // Closes its libuv handle, which would keep a foreground process alive after the unmount.
    if (isMade) binding.fuse_native_unmount(plan.mountpoint, fuse._thread);
  }
}

/**
 * Another descriptor of an open /dev/fuse; -1 if the number is not one of that, or not any more. The same one
 * if there are no more.
 */
function ownDescriptor(descriptor: number): number {
  const own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own === -ERRNO.EMFILE) return descriptor;
  if (own < 0) return -1;
  if (readlinkSync(`/proc/self/fd/${own}`) === '/dev/fuse') return own;
  close(own);
  return -1;
}

function unmounted({ mountpoint }: MountPlan): SluiceError {
  return new SluiceError(`${mountpoint}: unmounted before it was ready`, 'EIO', EXIT_MOUNT);
}

/** Options for libfuse: those of fusermount3, and those for its own reply to INIT. */
function nativeOptions(plan: MountPlan): string {
  const own = `big_writes,atomic_o_trunc,max_background=${MAX_BACKGROUND},use_ino`;
  const direct = plan.pageCache === true ? '' : 'direct_io,';
  const options = (source: string): string => {
    return `-o${own},${direct}${fusermountOptions({ ...plan, source })}`;
  };
  const text = options(plan.source);
  return Buffer.byteLength(text) <= OPTION_BYTES ? text : options('sluice');
}

function failed(plan: MountPlan, error: Error): SluiceError {
  const what =
    error.message === 'fuse failed' ? 'libfuse refused; the log says why' : error.message;
  return new SluiceError(`${plan.mountpoint}: fuse-native: ${what}`, 'EIO', EXIT_MOUNT, error);
}

/** Address of the mount's struct fuse_chan; 0 if the struct is not as in version 2.2.6. */
function channelOf(fuse: NativeFuse): number {
  const { _thread: thread } = fuse;
  return Number(thread.readBigUInt64LE(THREAD_CHANNEL));
}

/**
 * Sends the reply to INIT instead of libfuse. libfuse 2 knows neither ASYNC_DIO, which is worth a
 * factor of 1.5 at queue depth 32, nor requests of more than 128 KiB, nor mapped files with direct_io.
 * The kernel ignores a second reply.
 *
 * @returns Threads to serve with, or null if the kernel expects another reply: then libfuse answers.
 */
function answerInit(
  native: NativePackage,
  fuse: NativeFuse,
  plan: MountPlan,
): NativeThreads | null {
  const mountpoint = fuse._thread.subarray(THREAD_MOUNTPOINT);
  if (!mountpoint.subarray(0, plan.mountpoint.length + 1).equals(cString(plan.mountpoint))) {
    return null;
  }
  const channel = channelOf(fuse);
  const writable = native.libfuse.bufferBytes(channel) - 4096;
  const message = new Uint8Array(abi.OUT_HEADER_BYTES + abi.INIT_OUT_BYTES);
  const view = new DataView(message.buffer);
  encodeInit(view, abi.OUT_HEADER_BYTES, EVERYTHING, MAX_BACKGROUND, writable);
  const fd = native.libfuse.descriptor(channel);
  // INIT is the connection's first request: 2 since Linux 4.20, 1 before.
  for (const unique of [2, 1]) {
    writeReplyHeader(view, 0, unique, 0, 0, abi.INIT_OUT_BYTES);
    if (writeBytes(fd, message) === message.length) {
      return new NativeThreads(native.libfuse, channel);
    }
  }
  return null;
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
