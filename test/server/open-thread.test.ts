import { fstatSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { OpenImages } from '../../src/server/open-images.js';
import { OpenThread } from '../../src/server/open-thread.js';
import { mountConfig } from '../helpers/mount-config.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

test('an image that the thread has opened stays open when the thread ends', async (t) => {
  const path = sparseFile(join(tempFolder(t), 'web.img'), MIB);
  const image = { name: 'web', path, format: 'auto', backingFormats: [], snapshot: null };
  const options = mountConfig({ images: [image] });
  const asked = { options, mounted: [], logFile: null };
  // The thread keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  const thread = new OpenThread(SILENT);
  const opened = await thread.open(asked, () => {});
  await t.throwsAsync(
    thread.open(
      { ...asked, options: { ...options, images: [{ ...image, path: '/none' }] } },
      () => {},
    ),
    {
      message: '/none: no such file',
    },
  );
  await thread.end();
  for (const descriptor of opened.image.descriptors) t.true(fstatSync(descriptor).isFile());
  new OpenImages([opened.image]).close();
  const again = await thread.open(asked, () => {});
  new OpenImages([again.image]).close();
  await thread.end();
});
