import type { HostFile } from '../host/host-file.js';
import { isSameFile } from '../host/local-file.js';
import { isNbdUri } from '../nbd/uri.js';
import { EXIT_USAGE, SluiceError } from '../util/errors.js';
import { unsupported } from './refusal.js';

/** The command line's word on the files that images name. Paths are absolute. */
export interface NamedFiles {
  /** These may be data files, wherever they lie. */
  dataFiles: readonly string[];
  /** These may be backing files although the image is not trusted. */
  backingFiles: readonly string[];
  /** An image may name no other files than those. */
  untrusted: boolean;
}

/** A file's part in an image that names it; the option that allows it has the same name. */
export type Role = 'backing' | 'data';

/**
 * Refuses a file that an untrusted image names, before that is opened or even looked at. A data file on a
 * server is refused so for every image: the maker of the image would choose the servers that are asked.
 *
 * @throws SluiceError ENOTSUP, exit code 3
 */
export function checkNamed(
  image: string,
  role: Role,
  path: string,
  named: NamedFiles | undefined,
): void {
  if (named !== undefined && isNamed(path, role, named)) return;
  const allow = `--${role}-file ${path} allows it`;
  if (role === 'data' && isNbdUri(path)) {
    throw unsupported(image, `its data file ${path} is on a server; ${allow}`);
  }
  if (!named?.untrusted) return;
  throw unsupported(
    image,
    `it names the ${role} file ${path}, and --untrusted takes only files of the command line; ` +
      allow,
  );
}

/**
 * A data file is written, and the maker of the image chose its name. So it has to lie in the folder of
 * the image, unless the user names it. A block device has no folder of its own: /dev has all disks.
 *
 * @throws SluiceError ENOTSUP, exit code 3
 */
export function checkDataFile(
  image: HostFile,
  data: HostFile,
  named: NamedFiles | undefined,
): void {
  if (named !== undefined && isNamed(data.link, 'data', named)) return;
  if (!named?.untrusted && !image.blockDevice && data.isBeside(image)) return;
  throw unsupported(
    image.path,
    `its data file ${data.path} lies outside the folder of the image; ` +
      `--data-file ${data.path} allows it`,
  );
}

/** The files of a layer of an image. */
interface LayerFiles {
  file: HostFile;
  image: { dataFiles: readonly HostFile[] };
}

/**
 * Refuses a file of the command line that no image names: the user believes that it is used.
 *
 * @param chains The layers of all images, from the top.
 * @throws SluiceError ENOENT, exit code 2
 */
export function checkAllUsed(
  named: NamedFiles | undefined,
  chains: readonly (readonly LayerFiles[])[],
): void {
  if (named === undefined) return;
  const data = chains.flat().flatMap(({ image }) => image.dataFiles);
  const backing = chains.flatMap((layers) => layers.slice(1).map(({ file }) => file));
  checkUsed('data', named.dataFiles, data);
  checkUsed('backing', named.backingFiles, backing);
}

function checkUsed(role: Role, paths: readonly string[], files: readonly HostFile[]): void {
  for (const path of paths) {
    if (files.some((file) => isSameFile(path, file.path))) continue;
    const why = `--${role}-file ${path}: no image has this ${role} file`;
    throw new SluiceError(`${why}; sluice info shows what they have`, 'ENOENT', EXIT_USAGE);
  }
}

/** Does the command line name a file for this part? */
export function isNamed(path: string, role: Role, named: NamedFiles): boolean {
  const known = role === 'data' ? named.dataFiles : named.backingFiles;
  return known.some((name) => isSameFile(name, path));
}
