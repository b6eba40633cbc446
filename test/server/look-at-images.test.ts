import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ImageConfig } from '../../src/server/config.js';
import { type Looker, lookAtImages } from '../../src/server/look-at-images.js';
import { mountConfig } from '../helpers/mount-config.js';
import { KIB, sparseFile, tempFolder } from '../helpers/temp.js';

const image = (name: string, path: string, more: Partial<ImageConfig> = {}): ImageConfig => ({
  ...{ name, path, format: 'raw', backingFormats: [], snapshot: null },
  ...more,
});

/** Keeps the places of checks that fail. */
function newLooker(): Looker & { said: string[]; places: string[] } {
  const [said, places]: string[][] = [[], []];
  return {
    ...{ said: said!, places: places! },
    say: (sentence) => said!.push(sentence),
    at: (place, run) => {
      try {
        return run();
      } catch (error) {
        places!.push(place.join(' '));
        throw error;
      }
    },
  };
}

test('an image that is not there is told, and the others are looked at', async (t) => {
  const folder = tempFolder(t);
  const one = sparseFile(join(folder, 'one.img'), 64 * KIB);
  const two = join(folder, 'two.img');
  symlinkSync(one, two);
  const gone = join(folder, 'gone.img');
  const looker = newLooker();
  const images = [image('gone', gone), image('far', 'nbd://127.0.0.1:1/'), image('one', one)];
  await lookAtImages(mountConfig({ images }), looker);
  t.deepEqual(looker.said, [`gone: ${gone}: no such file`]);
  const twice = mountConfig({ images: [...images, image('two', two)] });
  const message = `${two}: the same image as ${one}; an image can be mounted once`;
  await t.throwsAsync(lookAtImages(twice, looker), { message });
  t.deepEqual(looker.places, ['images two path']);
  // What is written goes elsewhere.
  const over = images.map((each) => ({ ...each, overlay: 'discard' }));
  await t.notThrowsAsync(
    lookAtImages(mountConfig({ images: [...over, image('two', two)] }), looker),
  );
});

test('what options ask of images has the place of the option', async (t) => {
  const folder = tempFolder(t);
  const one = sparseFile(join(folder, 'one.img'), 64 * KIB);
  const looker = newLooker();
  const images = [image('one', one)];
  const asked = mountConfig({ images, growable: true, passthrough: ['one'], keeper: true });
  const kept = lookAtImages(asked, looker);
  await t.throwsAsync(kept, { message: /^--keeper: (\/.*one\.img is passed through|this is)/ });
  const logged = lookAtImages(mountConfig({ images, logFile: one }), looker);
  await t.throwsAsync(logged, { message: /^--log .* has its data there/ });
  const cached = [image('one', one, { cacheFile: '/near' })];
  await t.throwsAsync(lookAtImages(mountConfig({ images: cached }), looker));
  t.deepEqual(looker.places, ['options keeper', 'options log', 'images one cache-file']);
});
