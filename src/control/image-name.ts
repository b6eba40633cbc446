import { isNbdUri, parseNbdUri } from '../nbd/uri.js';
import { refuse } from '../util/errors.js';
import { looksLikeRule } from './members.js';

/** 255 is the longest file name on Linux; `.raw` takes four. */
const MAX_NAME_BYTES = 251;

/**
 * The name of an image whose user gives it none: the base name without its last ending, `/srv/disk.img` -> `disk`,
 * `/dev/vda` -> `vda`. Of an export, that of the export's name: `nbd://host/disk.img` -> `disk`.
 *
 * @throws SluiceError EINVAL, exit code 2, for a URI that cannot be
 */
export function defaultName(image: string): string {
  const path = isNbdUri(image) ? parseNbdUri(image).exportName || 'nbd' : image;
  const base = path.replace(/\/+$/, '').replace(/^.*\//s, '');
  const dot = base.lastIndexOf('.');
  return dot > 0 ? base.slice(0, dot) : base;
}

/**
 * Checks that an image can have a name in a mount.
 *
 * @param argument The word of the command line, for errors.
 * @param image Its path.
 * @throws SluiceError EINVAL, exit code 2
 */
export function checkImageName(name: string, argument: string, image: string): void {
  const shown = JSON.stringify(name);
  if (name === '') throw refuse(`${argument}: the name before "=" is empty`);
  if (name.includes('/')) throw refuse(`${argument}: the name ${shown} has a slash in it`);
  if (name.startsWith('.')) {
    throw refuse(`${argument}: the name ${shown} begins with a dot; write NAME=${image}`);
  }
  // They would break the lines of `io.stat` and `members`.
  if (/\p{Cc}/u.test(name)) {
    throw refuse(`${shown}: control characters cannot be part of a name; write NAME=IMAGE`);
  }
  // U+FFFD stands for bytes that are no UTF-8: the file in the mount would have another name.
  if (name.includes('\uFFFD')) {
    throw refuse(`${shown}: the name is not valid UTF-8; write NAME=IMAGE with another NAME`);
  }
  if (looksLikeRule(name)) {
    throw refuse(`${argument}: ${shown} means a rule about callers; write NAME=${image}`);
  }
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw refuse(`${argument}: the name is longer than ${MAX_NAME_BYTES} bytes`);
  }
}
