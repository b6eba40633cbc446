import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { OpenImages } from '../../src/server/open-images.js';
import { openLive } from '../../src/server/open-live.js';
import { mountConfig } from '../helpers/mount-config.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

function asked(path: string, overlay: string | null = null) {
  const image = { name: 'web', path, format: 'auto', backingFormats: [], snapshot: null };
  const images = [{ ...image, ...(overlay !== null && { overlay }) }];
  return { options: mountConfig({ images }), mounted: [], logFile: null };
}

test('the errors are those of a mount, and name what the mount has', async (t) => {
  const folder = tempFolder(t);
  const path = sparseFile(join(folder, 'web.img'), MIB);
  const open = (mounted: { name: string; path: string; identity: string }[]) =>
    openLive({ ...asked(path), mounted }, SILENT, () => {});
  const { image } = await open([]);
  new OpenImages([image]).close();
  const { identity } = image;
  await t.throwsAsync(open([{ name: 'web', path, identity }]), {
    message: `${path}: mounted here already; an image can be mounted once`,
  });
  await t.throwsAsync(open([{ name: 'other', path: '/link', identity }]), {
    message: `${path}: the same image as /link; an image can be mounted once`,
  });
  await t.throwsAsync(open([{ name: 'web', path: '/other', identity: '' }]), {
    message: `${path}: the name "web" is taken by /other; give one of them another name with NAME=IMAGE`,
  });
  await t.throwsAsync(open([{ name: 'web', path, identity: 'of the file before' }]), {
    message: `${path}: was replaced by another file beneath the mount; the mount has the old one: detach web first`,
  });
  writeFileSync(path, '');
  await t.throwsAsync(open([]), { message: /: the file is empty/ });
});

test('an overlay is made, and goes again with an image that is refused', async (t) => {
  const folder = tempFolder(t);
  const path = sparseFile(join(folder, 'web.img'), MIB);
  const overlay = join(folder, 'over.qcow2');
  const { image, madeOverlay } = await openLive(asked(path, overlay), SILENT, () => {});
  t.is(madeOverlay, overlay);
  t.is(image.disk.format, 'qcow2');
  new OpenImages([image]).close();
  const again = await openLive(asked(path, overlay), SILENT, () => {});
  t.is(again.madeOverlay, null);
  new OpenImages([again.image]).close();
  const late = join(folder, 'late.qcow2');
  const log = { ...asked(path, late), logFile: late };
  await t.throwsAsync(
    openLive(log, SILENT, () => {}),
    { message: /choose another file/ },
  );
  t.false(existsSync(late));
});
