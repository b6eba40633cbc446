import { fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type OpenImage, OpenImages } from '../../src/server/open-images.js';
import { openLive } from '../../src/server/open-live.js';
import { isLocked, unlockAll } from '../../src/sys/ofd-locks.js';
import { mountConfig } from '../helpers/mount-config.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

function isOpen(descriptor: number): boolean {
  try {
    fstatSync(descriptor);
    return true;
  } catch {
    return false;
  }
}

async function openNamed(folder: string, name: string): Promise<OpenImage> {
  const path = sparseFile(join(folder, `${name}.img`), MIB);
  const image = { name, path, format: 'auto', backingFormats: [], snapshot: null };
  const options = mountConfig({ images: [image] });
  const live = { options, mounted: [], logFile: null };
  return (await openLive(live, SILENT, () => {})).image;
}

test('the locks that stay are those that go to another process', async (t) => {
  const one = await openNamed(tempFolder(t), 'one');
  const images = new OpenImages([one]);
  const other = openSync(one.disk.path, 'r');
  images.unlockOwn();
  t.true(isLocked(other, 101, 1));
  const { descriptor } = one.holds[0]!;
  unlockAll(descriptor);
  // Those that another process would not have hold nothing.
  t.false(isLocked(other, 101, 1));
  t.true(one.descriptors.every(isOpen));
  images.close();
});

test('an image that is released is unlocked and closed, and the others are not', async (t) => {
  const folder = tempFolder(t);
  const [one, two] = [await openNamed(folder, 'one'), await openNamed(folder, 'two')];
  const images = new OpenImages([one]);
  images.add(two);
  // The descriptors of the first one would be lost.
  t.throws(() => images.add({ ...two }), { message: /two images are called two/ });
  t.deepEqual(
    images.disks.map(({ name }) => name),
    ['one', 'two'],
  );
  const other = openSync(one.disk.path, 'r');
  t.true(isLocked(other, 101, 1));
  await images.release('one');
  t.false(isLocked(other, 101, 1));
  t.false(one.descriptors.some(isOpen));
  t.true(two.descriptors.every(isOpen));
  await images.release('one');
  await images.unlock();
  images.close();
  t.false(two.descriptors.some(isOpen));
  images.close();
  // The end of a mount names its images when they are closed.
  t.deepEqual(
    images.disks.map(({ name }) => name),
    ['two'],
  );
});
