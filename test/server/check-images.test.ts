import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkImages } from '../../src/server/check-images.js';
import type { ImageConfig } from '../../src/server/config.js';
import { SluiceError } from '../../src/util/errors.js';
import { KIB, sparseFile, tempFolder } from '../helpers/temp.js';

const NAMED = { dataFiles: [], backingFiles: [], untrusted: false };

function image(path: string, more: Partial<ImageConfig> = {}): ImageConfig {
  return { name: 'x', path, format: 'raw', backingFormats: [], snapshot: null, ...more };
}

function refuses(t: ExecutionContext, images: ImageConfig[], says: string, exitCode: number): void {
  const check = () => checkImages({ images, readOnly: false, growable: false }, () => t.fail());
  const error = t.throws(check, { instanceOf: SluiceError });
  t.is(error?.message, says);
  t.is(error?.exitCode, exitCode);
}

test('images are looked at one by one, and what is wrong is said of the right one', (t) => {
  const folder = tempFolder(t);
  const one = sparseFile(join(folder, 'one.img'), 64 * KIB);
  const two = sparseFile(join(folder, 'two.img'), 64 * KIB);
  const empty = sparseFile(join(folder, 'empty.img'), 0);
  const config = { images: [image(one), image(two)], readOnly: false, growable: false };
  t.notThrows(() => checkImages(config, () => t.fail()));
  const twice = `${one}: given twice; an image can be mounted once`;
  refuses(t, [image(one), image(two), image(one)], twice, 2);
  const nothing = `${empty}: the file is empty: there is nothing to show; give it a size with truncate, or use --growable`;
  refuses(t, [image(one), image(empty)], nothing, 3);
  t.notThrows(() => checkImages({ ...config, images: [image(empty)], growable: true }, () => {}));
});

test('a file that no image uses is refused', (t) => {
  const folder = tempFolder(t);
  const one = sparseFile(join(folder, 'one.img'), 64 * KIB);
  const named = { ...NAMED, dataFiles: [one] };
  const says = `--data-file ${one}: no image has this data file; sluice info shows what they have`;
  refuses(t, [image(one, { named })], says, 2);
});
