import { linkSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkImages } from '../../src/server/check-images.js';
import type { ImageConfig } from '../../src/server/config.js';
import { SluiceError } from '../../src/util/errors.js';
import { loopDevice } from '../helpers/loop-device.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { KIB, sparseFile, tempFolder } from '../helpers/temp.js';

const ASKED = { readOnly: false, growable: false, passthrough: [], logFile: null };
const NAMED = { dataFiles: [], backingFiles: [], untrusted: false };

function image(path: string, more: Partial<ImageConfig> = {}): ImageConfig {
  return { name: 'x', path, format: 'raw', backingFormats: [], snapshot: null, ...more };
}

function refuses(t: ExecutionContext, images: ImageConfig[], says: string, exitCode: number): void {
  const check = () => checkImages({ images, ...ASKED }, () => t.fail());
  const error = t.throws(check, { instanceOf: SluiceError });
  t.is(error?.message, says);
  t.is(error?.exitCode, exitCode);
}

test('images are looked at one by one, and what is wrong is said of the right one', (t) => {
  const folder = tempFolder(t);
  const one = sparseFile(join(folder, 'one.img'), 64 * KIB);
  const two = sparseFile(join(folder, 'two.img'), 64 * KIB);
  const empty = sparseFile(join(folder, 'empty.img'), 0);
  const config = { images: [image(one), image(two)], ...ASKED };
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

test('only the file of a raw image in whole sectors can be passed through', (t) => {
  const folder = tempFolder(t);
  const whole = sparseFile(join(folder, 'whole.img'), 64 * KIB);
  const odd = sparseFile(join(folder, 'odd.img'), 1000);
  const passthrough = ['x'];
  t.notThrows(() => checkImages({ ...ASKED, images: [image(whole)], passthrough }, () => {}));
  t.notThrows(() => checkImages({ ...ASKED, images: [image(odd)] }, () => {}));
  const error = t.throws(
    () => checkImages({ ...ASKED, images: [image(odd)], passthrough }, () => {}),
    { instanceOf: SluiceError },
  );
  const why = 'its size, 1000 bytes, is no multiple of 512, and the kernel pads nothing';
  t.is(
    error?.message,
    `${odd}: cannot be passed through: ${why}; make it one with truncate -s %512`,
  );
  t.is(error?.exitCode, 3);
});

test('a log that is a file of an image is refused', (t) => {
  const folder = tempFolder(t);
  const one = sparseFile(join(folder, 'one.img'), 64 * KIB);
  const logFile = join(folder, 'log');
  linkSync(one, logFile);
  const check = () => checkImages({ ...ASKED, images: [image(one)], logFile }, () => t.fail());
  const error = t.throws(check, { instanceOf: SluiceError });
  t.is(error?.message, `--log ${logFile}: ${one} has its data there; choose another file`);
  t.is(error?.exitCode, 2);
});

requires(
  'root',
  'loop',
  'qemu',
)('a backing file that a loop device writes is read with a warning', async (t) => {
  const folder = tempFolder(t);
  const base = sparseFile(join(folder, 'base.img'), 64 * KIB);
  const overlay = join(folder, 'over.qcow2');
  await must('qemu-img', ['create', '-qf', 'qcow2', '-b', base, '-F', 'raw', overlay]);
  const device = await loopDevice(t, base);
  const warnings: string[] = [];
  const images = [image(overlay, { format: 'qcow2' })];
  checkImages({ ...ASKED, images }, (text) => warnings.push(text));
  t.is(warnings.length, 1);
  t.true(warnings[0]!.startsWith(`${base}: in use by ${device}: `), warnings[0]);
});
