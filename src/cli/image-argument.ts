import { basename } from 'node:path';
import { looksLikeRule } from '../control/members.js';
import { isNbdUri, parseNbdUri } from '../nbd/uri.js';
import { refuse } from '../util/errors.js';
import { absoluteImage } from './working-directory.js';

/** An image of the command line. */
export interface ImageArgument {
  name: string;
  /** Absolute, or the URI of an export. It may be a symbolic link, or missing. */
  path: string;
}

/** 255 is the longest file name on Linux; `.raw` takes four. */
const MAX_NAME_BYTES = 251;

/**
 * The base name without its last ending: `disk.img` -> `disk`, `/dev/vda` -> `vda`. Of an export, that of the
 * export's name: `nbd://host/disk.img` -> `disk`.
 */
export function defaultName(path: string): string {
  const base = isNbdUri(path) ? basename(parseNbdUri(path).exportName) || 'nbd' : basename(path);
  const dot = base.lastIndexOf('.');
  return dot > 0 ? base.slice(0, dot) : base;
}

function checkName(name: string, argument: string, image: string): void {
  const shown = JSON.stringify(name);
  if (name === '') throw refuse(`${argument}: the name before "=" is empty`);
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

/**
 * Parses `[NAME=]IMAGE`. The first `=` splits, unless a `/` comes before it: `./a=b.img` is a path.
 *
 * @param directory absolute directory that a relative path starts from
 * @throws SluiceError EINVAL, exit code 2
 */
export function parseImageArgument(argument: string, directory: string): ImageArgument {
  const equals = argument.indexOf('=');
  const named = equals >= 0 && !argument.slice(0, equals).includes('/');
  const path = named ? argument.slice(equals + 1) : argument;
  if (path === '') throw refuse(`"${argument}": the path of the image is empty`);
  const name = named ? argument.slice(0, equals) : defaultName(path);
  const absolute = absoluteImage('the image', path, directory);
  checkName(name, argument, path);
  return { name, path: absolute };
}

/** Refuses two images with the same name. */
export function checkNameClash(images: readonly ImageArgument[]): void {
  const seen = new Map<string, string>();
  for (const { name, path } of images) {
    const other = seen.get(name);
    if (other === path) throw refuse(`${path}: given twice; an image can be mounted once`);
    if (other !== undefined) {
      throw refuse(
        `${path}: the name "${name}" is taken by ${other}; ` +
          'give one of them another name with NAME=IMAGE',
      );
    }
    seen.set(name, path);
  }
}
