import { checkImageName, defaultName } from '../control/image-name.js';
import { refuse } from '../util/errors.js';
import { absoluteImage } from './working-directory.js';

/** An image of the command line. */
export interface ImageArgument {
  name: string;
  /** Absolute, or the URI of an export. It may be a symbolic link, or missing. */
  path: string;
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
  return nameImage(
    named ? argument.slice(0, equals) : defaultName(path),
    path,
    directory,
    argument,
  );
}

/**
 * An image with its name.
 *
 * @param directory absolute directory that a relative path starts from
 * @param argument what the user has written, for errors
 * @throws SluiceError EINVAL, exit code 2
 */
export function nameImage(
  name: string,
  path: string,
  directory: string,
  argument = name,
): ImageArgument {
  const absolute = absoluteImage('the image', path, directory);
  checkImageName(name, argument, path);
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
