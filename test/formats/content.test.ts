import { constants } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { mapJson } from '../../src/cli/map-report.js';
import { mapImage } from '../../src/image/map-image.js';
import { openChain } from '../../src/image/open-chain.js';
import { ERRNO } from '../../src/util/errno.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';
import { VARIANTS } from './variants.js';

/** Number of variants in one mount, because mounting takes most of a test's time. */
const TOGETHER = 40;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

const PLAIN = VARIANTS.filter((variant) => variant.words === undefined);
const SHOWN = VARIANTS.filter((variant) => variant.words !== undefined);

interface MapLine {
  start: number;
  length: number;
  data: boolean;
}

/** The text of `sluice map --json`, which must be that of `qemu-img map --output=json`. */
function mapOf(image: string): string {
  const chain = openChain(image, { format: 'qcow2', backingFormats: [], snapshot: null });
  const entries = [...mapImage(chain)].map(mapJson);
  chain.close();
  return `[${entries.join(',\n')}]\n`;
}

/** Ranges of data according to a map, adjacent ones joined. */
function mappedData(text: string): number[][] {
  const ranges: number[][] = [];
  for (const { start, length, data } of JSON.parse(text) as MapLine[]) {
    const last = ranges.at(-1);
    if (!data) continue;
    if (last?.[1] === start) last[1] = start + length;
    else ranges.push([start, start + length]);
  }
  return ranges;
}

/** Ranges of data found with SEEK_DATA and SEEK_HOLE. */
async function soughtData(agent: FileAgent, path: string): Promise<number[][]> {
  const fd = await agent.open(path, constants.O_RDONLY);
  const seek = (offset: number, whence: number) => {
    return agent.result({ call: 'lseek', fd, offset, whence });
  };
  const ranges: number[][] = [];
  for (let at = await seek(0, SEEK_DATA); at >= 0; ) {
    const end = await seek(at, SEEK_HOLE);
    ranges.push([at, end]);
    at = await seek(end, SEEK_DATA);
    if (at < 0 && at !== -ERRNO.ENXIO) throw new Error(`SEEK_DATA from ${end}: ${at}`);
  }
  await agent.close(fd);
  return ranges;
}

/** Mounts variants together; each must have the contents and the map that qemu-img gives. */
async function compare(
  t: ExecutionContext,
  variants: typeof VARIANTS,
  base: string,
  words: readonly string[] = [],
): Promise<void> {
  const made = variants.map((variant, index) => {
    const maker = new Maker(tempFolder(t, base));
    variant.make(maker);
    return {
      variant,
      name: `v${index}`,
      image: maker.path('top.qcow2'),
      raw: maker.path('expected'),
    };
  });
  const maps = new Map<string, string>();
  for (const { image, raw, variant } of made) {
    const more = variant.convert ?? [];
    await must('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', ...more, image, raw]);
    if (variant.noMap === true) continue;
    const map = await must('qemu-img', ['map', '--output=json', '-f', 'qcow2', image]);
    t.is(mapOf(image), map, `map of ${variant.title}`);
    maps.set(image, map);
  }
  const images = made.map(({ name, image }) => `${name}=${image}`);
  const agent = new FileAgent(t);
  await withMount(t, images, ['--read-only', ...words], async (mount) => {
    for (const { name, raw, image, variant } of made) {
      t.log(variant.title);
      await must('cmp', [raw, mount.file(name)]);
      const map = maps.get(image);
      if (map === undefined) continue;
      const sought = await soughtData(agent, mount.file(name));
      t.deepEqual(sought, mappedData(map), `SEEK_DATA of ${variant.title}`);
    }
  });
}

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
      await compare(t, variants, base);
    });
  }
}

const WORDS = new Set(SHOWN.map(({ words }) => words!.join(' ')));

for (const words of WORDS) {
  qemuMountTest(`reads equal qemu-img convert: all variants with ${words}`, async (t) => {
    const variants = SHOWN.filter((variant) => variant.words!.join(' ') === words);
    await compare(t, variants, TMPFS, words.split(' '));
  });
}
