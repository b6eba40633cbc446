import { closeSync, openSync } from 'node:fs';
import { mountNative } from '../../src/fuse/native-mount.js';
import type { NativeFuse, NativePackage } from '../../src/fuse/native-package.js';
import type { NativeSession } from '../../src/fuse/native-session.js';
import { SluiceError } from '../../src/util/errors.js';
import { requires } from '../helpers/requires.js';
import { tempFolder } from '../helpers/temp.js';

const fuseTest = requires('fuse');

/** A libfuse whose mount succeeds, but to which the kernel never sends INIT. */
function deafPackage(descriptor: number): { native: NativePackage; steps: string[] } {
  const steps: string[] = [];
  const binding = {
    op_read: 0,
    op_write: 1,
    fuse_native_mount: () => void steps.push('mount'),
    fuse_native_unmount: () => void steps.push('let go'),
    fuse_native_signal_read: () => {},
    fuse_native_signal_write: () => {},
  };
  class DeafFuse implements NativeFuse {
    readonly _thread = Buffer.alloc(2048);
    readonly _handlers: unknown[] = [];
    _malloc = (bytes: number): Buffer => Buffer.alloc(bytes);
    _fuseOptions = (): string => '';

    mount(): void {
      binding.fuse_native_mount();
    }
  }
  const libfuse = {
    descriptor: () => descriptor,
    bufferBytes: () => 135168,
    startThreads: () => 0,
  };
  return { native: { Fuse: DeafFuse, binding, libfuse }, steps };
}

const SESSION = {
  transferHandlers: () => ({ read: () => {}, write: () => {} }),
} as unknown as NativeSession;

for (const [what, path] of [
  ['a connection that has gone', '/dev/fuse'],
  ['a descriptor that libfuse has closed, and another file has got', '/dev/null'],
] as const) {
  fuseTest(`a mount that is unmounted before it answers has ended: ${what}`, async (t) => {
    const mountpoint = tempFolder(t);
    // Nothing is mounted over it: poll(2) says what it says of a connection that is gone.
    const fd = openSync(path, 'r+');
    t.teardown(() => closeSync(fd));
    const { native, steps } = deafPackage(fd);
    const request = { mountpoint, maxRead: 1 << 20, allowOther: false, options: [], source: 'x' };
    const error = await t.throwsAsync(mountNative(request, native, SESSION), {
      instanceOf: SluiceError,
    });
    t.is(error?.message, `${mountpoint}: unmounted before it was ready`);
    t.is(error?.exitCode, 4);
    t.deepEqual(steps, ['mount', 'let go']);
  });
}
