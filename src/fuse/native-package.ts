import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Libfuse, loadLibfuse } from '../sys/libfuse.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';

/** Answers a callback of libfuse: a result from 0 or -errno, and the value of some operations. */
export type Answer = (result: number, value?: unknown) => void;

/** A read or a write of `length` bytes, from or to the buffer. */
type NativeTransfer = (
  path: string,
  handle: number,
  buffer: Buffer,
  length: number,
  offset: number,
  answer: Answer,
) => void;

/** The callbacks that we give to fuse-native; offsets and sizes are bytes. */
export interface NativeOperations {
  init(answer: Answer): void;
  statfs(path: string, answer: Answer): void;
  getattr(path: string, answer: Answer): void;
  readdir(path: string, answer: Answer): void;
  truncate(path: string, size: number, answer: Answer): void;
  chmod(path: string, mode: number, answer: Answer): void;
  chown(path: string, uid: number, gid: number, answer: Answer): void;
  utimens(path: string, atime: number, mtime: number, answer: Answer): void;
  open(path: string, flags: number, answer: Answer): void;
  read: NativeTransfer;
  write: NativeTransfer;
  fsync(path: string, dataOnly: number, handle: number, answer: Answer): void;
  release(path: string, handle: number, answer: Answer): void;
  mkdir(path: string, mode: number, answer: Answer): void;
  rmdir(path: string, answer: Answer): void;
  unlink(path: string, answer: Answer): void;
  rename(from: string, to: string, answer: Answer): void;
  link(from: string, to: string, answer: Answer): void;
  symlink(from: string, to: string, answer: Answer): void;
  mknod(path: string, mode: number, device: number, answer: Answer): void;
  create(path: string, mode: number, answer: Answer): void;
}

/** A mount of fuse-native 2.2.6, as far as we use it. */
export interface NativeFuse {
  mount(mounted: (error: Error | null) => void): void;
  /** Its struct fuse_thread_t. */
  readonly _thread: Buffer;
  /** Handlers that its C code calls, by its own opcodes. */
  readonly _handlers: unknown[];
  _malloc: (bytes: number) => Buffer;
  _fuseOptions: () => string;
}

/** The class that the package exports. */
export type NativeClass = new (
  mountpoint: string,
  operations: NativeOperations,
  options: { timeout: false },
) => NativeFuse;

/** Tells a thread of libfuse its result. */
export type Signal = (
  thread: Buffer,
  result: number,
  bytes: number,
  buffer: ArrayBufferLike,
) => void;

/** The functions of its C code that we call directly. */
export interface NativeBinding {
  readonly op_read: number;
  readonly op_write: number;
  /** Mounts, and starts the thread of the session. */
  fuse_native_mount(...words: unknown[]): void;
  /** Unmounts nothing; it closes the handle that keeps the event loop alive. */
  fuse_native_unmount(mountpoint: string, thread: Buffer): void;
  readonly fuse_native_signal_read: Signal;
  readonly fuse_native_signal_write: Signal;
}

/** The package and the C library in it. */
export interface NativePackage {
  Fuse: NativeClass;
  binding: NativeBinding;
  libfuse: Libfuse;
}

type Loader = (folder: string) => NativeBinding;

/** Where node-gyp-build looks for the binary, in its order; libfuse lies beside it. */
const FOLDERS = ['build/Release', `prebuilds/${process.platform}-${process.arch}`];

/**
 * Loads fuse-native. Its binary needs libfuse.so.2, which few systems have. The package brings one, so
 * that one is loaded first.
 *
 * @param name The package, or the path of another build of it.
 * @throws SluiceError EXIT_MOUNT when it is missing or cannot run here.
 */
export async function loadNative(
  name: string = process.env.SLUICE_FUSE_NATIVE ?? 'fuse-native',
): Promise<NativePackage> {
  try {
    const require = createRequire(import.meta.filename);
    const folder = dirname(require.resolve(join(name, 'package.json')));
    const place = FOLDERS.find((one) => existsSync(join(folder, one, 'libfuse.so')));
    if (place === undefined) throw new Error(`no binary for ${process.arch}`);
    const libfuse = loadLibfuse(join(folder, place, 'libfuse.so'));
    const module = (await import(join(folder, 'index.js'))) as { default: NativeClass };
    // The same object that the package holds: node loads a binary once.
    const loader = createRequire(join(folder, 'index.js'))('node-gyp-build') as Loader;
    return { Fuse: module.default, binding: loader(folder), libfuse };
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    const message = `fuse-native: cannot be loaded (${why}); install it with npm install fuse-native`;
    throw new SluiceError(message, 'ENOENT', EXIT_MOUNT, error);
  }
}
