import { fstatSync, statSync } from 'node:fs';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { deviceSize } from './block-device.js';

/**
 * The size of a file that has been open for a while, if its path still leads to it.
 *
 * @returns bytes
 * @throws SluiceError ESTALE, exit code 1: the file was deleted, or another one has its path.
 */
export function sizeNow(descriptor: number, path: string): number {
  const own = fstatSync(descriptor, { bigint: true });
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  const isSame = own.isBlockDevice()
    ? there?.rdev === own.rdev
    : there?.dev === own.dev && there.ino === own.ino;
  if (isSame) return own.isBlockDevice() ? (deviceSize(Number(own.rdev)) ?? 0) : Number(own.size);
  const [what, advice] =
    there === undefined
      ? ['was deleted', 'copy the mounted file, or what is written to it is lost with the mount']
      : [
          'was replaced by another file',
          'the mount has the old one: detach it and attach the new one',
        ];
  throw new SluiceError(`${path}: ${what} beneath the mount; ${advice}`, 'ESTALE', EXIT_FAILED);
}
