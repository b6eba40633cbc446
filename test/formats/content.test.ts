import { TMPFS } from '../helpers/temp.js';
import { compareWithQemu } from './compare-with-qemu.js';
import { qemuMountTest } from './needs.js';
import { VARIANTS } from './variants.js';

/** Number of variants in one mount, because mounting takes most of a test's time. */
const TOGETHER = 40;

const PLAIN = VARIANTS.filter((variant) => variant.words === undefined);
const SHOWN = VARIANTS.filter((variant) => variant.words !== undefined);

/**
 * The reader of a format does not depend on the place of the files. But another engine reads files in
 * memory; it gets every third variant, which still covers every feature.
 */
const READ = [
  [TMPFS, PLAIN],
  ['/var/tmp', PLAIN.filter((_, index) => index % 3 === 0)],
] as const;

for (const [base, all] of READ) {
  for (let from = 0; from < all.length; from += TOGETHER) {
    const variants = all.slice(from, from + TOGETHER);
    const where = `${base}, from ${variants[0]!.title} to ${variants.at(-1)!.title}`;
    qemuMountTest(`reads equal qemu-img convert, maps and seeks its map: ${where}`, async (t) => {
      await compareWithQemu(t, variants, base);
    });
  }
}

const WORDS = new Set(SHOWN.map(({ words }) => words!.join(' ')));

for (const words of WORDS) {
  qemuMountTest(`reads equal qemu-img convert: all variants with ${words}`, async (t) => {
    const variants = SHOWN.filter((variant) => variant.words!.join(' ') === words);
    await compareWithQemu(t, variants, TMPFS, words.split(' '));
  });
}
