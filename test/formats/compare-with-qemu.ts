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
import { tempFolder } from '../helpers/temp.js';
import type { Variant } from './variants.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

interface MapLine {
  start: number;
  length: number;
  data: boolean;
}

/** The text of `sluice map --json`, which must be that of `qemu-img map --output=json`. */
export function mapOf(image: string, format: string): string {
  const chain = openChain(image, { format, backingFormats: [], snapshot: null });
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

/**
 * Mounts variants together; each must have the contents and the map that qemu-img gives, and its map as
 * SEEK_DATA and SEEK_HOLE tell it.
 *
 * @param base The folders of the images are made there.
 */
export async function compareWithQemu(
  t: ExecutionContext,
  variants: readonly Variant[],
  base: string,
  words: readonly string[] = [],
): Promise<void> {
  const made = variants.map((variant, index) => {
    const maker = new Maker(tempFolder(t, base));
    variant.make(maker);
    const { top = 'top.qcow2' } = variant;
    return {
      variant,
      name: `v${index}`,
      format: top.slice(top.lastIndexOf('.') + 1),
      image: maker.path(top),
      raw: maker.path('expected'),
    };
  });
  const maps = new Map<string, string>();
  for (const { image, raw, variant, format } of made) {
    const more = variant.convert ?? [];
    await must('qemu-img', ['convert', '-f', format, '-O', 'raw', ...more, image, raw]);
    if (variant.noMap === true) continue;
    const map = await must('qemu-img', ['map', '--output=json', '-f', format, image]);
    t.is(mapOf(image, format), map, `map of ${variant.title}`);
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
