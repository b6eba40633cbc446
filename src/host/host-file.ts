import { isNbdUri } from '../nbd/uri.js';
import { LocalFile } from './local-file.js';
import { NbdFile } from './nbd-file.js';
import type { ServedAs, ServedFile } from './served-file.js';

/** A regular file, a block device, or an export of an NBD server, open for reading until it is closed. */
export type HostFile = Omit<LocalFile, 'serve'> & { serve(how: ServedAs): ServedFile };

/**
 * @param path A path, or the URI of an export.
 * @throws SluiceError exit code 1 if it cannot be opened, 3 if it can be no image
 */
export function openHostFile(path: string): HostFile {
  return isNbdUri(path) ? new NbdFile(path) : new LocalFile(path);
}
