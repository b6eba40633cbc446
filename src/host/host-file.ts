import { isNbdUri } from '../nbd/uri.js';
import { type Hold, LocalFile } from './local-file.js';
import { NbdFile } from './nbd-file.js';
import type { ServedAs, ServedFile } from './served-file.js';

/** A regular file, a block device, or an export of an NBD server, open for reading until it is closed. */
export type HostFile = Omit<LocalFile, 'serve'> & { serve(how: ServedAs): ServedFile };

/**
 * @param path A path, or the URI of an export.
 * @param held Files that the mount has open already. One that was opened under this path is opened again, whatever the
 *   path leads to by now.
 * @throws SluiceError exit code 1 if it cannot be opened, 3 if it can be no image
 */
export function openHostFile(path: string, held: readonly Hold[] = []): HostFile {
  return isNbdUri(path) ? new NbdFile(path) : new LocalFile(path, holdOf(path, held));
}

/** What keeps the file that was opened under a path; null: nothing does. */
export function holdOf(path: string, held: readonly Hold[] = []): Hold | null {
  return held.find((one) => one.path === path) ?? null;
}
