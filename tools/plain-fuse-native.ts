import { fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { loadNative, type NativeOperations } from '../src/fuse/native-package.js';

/**
 * A program for comparison: the simplest server of an image with fuse-native.
 *
 *     plain-fuse-native.js IMAGE MOUNTPOINT      shows MOUNTPOINT/img.raw until it is unmounted
 *
 * Every callback is answered at once by a synchronous call.
 */
const [image = '', mountpoint = ''] = process.argv.slice(2);
const { Fuse } = await loadNative();
const descriptor = openSync(image, 'r+');
const { size } = fstatSync(descriptor);
const ENOENT = -2;

const operations: Partial<NativeOperations> = {
  getattr(path, answer) {
    if (path === '/') answer(0, { mode: 0o40755, size: 4096, mtime: 0, atime: 0, ctime: 0 });
    else if (path !== '/img.raw') answer(ENOENT);
    else answer(0, { mode: 0o100644, size, mtime: 0, atime: 0, ctime: 0 });
  },
  readdir: (_path, answer) => answer(0, ['img.raw']),
  open: (_path, _flags, answer) => answer(0, 1),
  release: (_path, _handle, answer) => answer(0),
  read(_path, _handle, buffer, length, offset, answer) {
    answer(readSync(descriptor, buffer, 0, length, offset));
  },
  write(_path, _handle, buffer, length, offset, answer) {
    answer(writeSync(descriptor, buffer, 0, length, offset));
  },
};

new Fuse(mountpoint, operations as NativeOperations, { timeout: false }).mount((error) => {
  if (error !== null && error !== undefined) throw error;
});
