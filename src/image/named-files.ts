import { readlinkSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { unsupported } from './qcow2/refusal.js';
import { type FileSource, identityOf } from './source.js';

/** What a command line says of the files that images name. Paths are absolute. */
export interface NamedFiles {
  /** These may be data files, wherever they lie. */
  dataFiles: readonly string[];
  /** These may be backing files although the image is not trusted. */
  backingFiles: readonly string[];
  /** An image may name no other files than those. */
  untrusted: boolean;
}

/** What an image names, and the option that allows it. */
export type Role = 'backing' | 'data';

/**
 * Refuses what an untrusted image names before it is opened, or even looked at.
 *
 * @throws SluiceError ENOTSUP, exit code 3
 */
export function checkNamed(
  image: string,
  role: Role,
  path: string,
  named: NamedFiles | undefined,
): void {
  if (!named?.untrusted || isNamed(path, role, named)) return;
  throw unsupported(
    image,
    `it names the ${role} file ${path}, and --untrusted takes only files of the command line; ` +
      `--${role}-file ${path} allows it`,
  );
}

/**
 * A data file is written, and whoever made the image chose its name: it has to lie in the folder of
 * the image, unless the user names it. A block device has no folder of its own: /dev has all disks.
 *
 * @throws SluiceError ENOTSUP, exit code 3
 */
export function checkDataFile(
  image: FileSource,
  data: FileSource,
  named: NamedFiles | undefined,
): void {
  if (named !== undefined && isNamed(data.link, 'data', named)) return;
  if (!named?.untrusted && !image.blockDevice && isBeside(image, data)) return;
  throw unsupported(
    image.path,
    `its data file ${data.path} lies outside the folder of the image; ` +
      `--data-file ${data.path} allows it`,
  );
}

function isNamed(path: string, role: Role, named: NamedFiles): boolean {
  const known = role === 'data' ? named.dataFiles : named.backingFiles;
  return known.some((name) => isSame(name, path));
}

function isSame(one: string, other: string): boolean {
  try {
    return identityOf(one) === identityOf(other);
  } catch {
    return one === other; // Opening says what is wrong.
  }
}

/** By where it really is: a symbolic link beside the image leads anywhere. */
function isBeside(image: FileSource, data: FileSource): boolean {
  const folder = dirname(readlinkSync(data.link));
  return (
    folder === dirname(readlinkSync(image.link)) || folder === realpathSync(dirname(image.path))
  );
}
