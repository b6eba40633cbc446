import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { mapJson } from '../../src/cli/map-report.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { mapOfImage, readImage } from '../helpers/read-image.js';
import { must } from '../helpers/run.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuMountTest, qemuTest } from './needs.js';

const MIB = 1 << 20;
const GIB = 2 ** 30;

/** A format that qemu-img makes, other than qcow2. */
interface Made {
  format: string;
  /** Its name in QEMU, if that is another one. */
  qemu?: string;
  /** Options of qemu-img create, the usual ones first. */
  options: readonly string[];
  blockBytes: number;
  /** The largest image, or 2 TiB if larger ones are possible. */
  largest: number;
  /** qemu-img map knows nothing of this format but that all of it is data. */
  mapsNothing?: boolean;
  /** qemu-img map takes minutes for a large image, or fails an assertion. */
  mapsNoLarge?: boolean;
}

const FORMATS: readonly Made[] = [
  {
    ...{ format: 'vhd', qemu: 'vpc', blockBytes: 2 * MIB, largest: 2040 * GIB },
    options: ['subformat=dynamic', 'subformat=dynamic,force_size=on', 'subformat=fixed'],
  },
  {
    ...{ format: 'vhdx', blockBytes: 8 * MIB, largest: 2048 * GIB, mapsNothing: true },
    options: ['', 'subformat=fixed', 'block_size=1M', 'block_size=256M,log_size=2M'],
  },
  {
    ...{ format: 'parallels', blockBytes: MIB, largest: 2048 * GIB, mapsNoLarge: true },
    options: ['', 'cluster_size=64k'],
  },
  {
    ...{ format: 'qcow', blockBytes: 4096, largest: 2048 * GIB, mapsNoLarge: true },
    options: [''],
  },
  {
    ...{ format: 'qed', blockBytes: 65536, largest: 2048 * GIB },
    options: ['', 'cluster_size=4k,table_size=2', 'cluster_size=1M,table_size=16'],
  },
  { format: 'vdi', options: ['', 'static=on'], blockBytes: MIB, largest: 2048 * GIB },
];

const SMALL = ['write -P 1 0 64k', 'write -P 2 100k 300k'];
const LARGE = [
  ...SMALL,
  ...['write -P 3 777216 1234944', 'write -P 4 3M 512', 'write -P 5 4095k 2k'],
  'write -P 6 5M 1M',
];

/** Makes an image with some data; returns its path. */
function make(maker: Maker, { format, qemu = format }: Made, option: string, size: number): string {
  const image = maker.path(`${size}.${format}`);
  const words = option === '' ? [] : ['-o', option];
  maker.img('create', '-q', '-f', qemu, ...words, image, String(size));
  const writes = size >= 6 * MIB ? LARGE : size > MIB / 2 ? SMALL : [];
  if (writes.length > 0) maker.io(image, qemu, ...writes);
  return image;
}

/** An image as `qemu-img convert` makes it raw. */
function converted(maker: Maker, qemu: string, image: string): Buffer {
  maker.img('convert', '-f', qemu, '-O', 'raw', image, 'raw');
  return readFileSync(maker.path('raw'));
}

function mapOf(image: string, format: string): string {
  return `[${mapOfImage(image, { format }).map(mapJson).join(',\n')}]\n`;
}

function qemuMap(qemu: string, image: string): Promise<string> {
  return must('qemu-img', ['map', '--output=json', '-f', qemu, image]);
}

/** Checks the map of an image against QEMU's, or where that knows nothing, against the blocks with data. */
async function checkMap(
  t: ExecutionContext,
  { format, qemu = format, mapsNothing }: Made,
  image: string,
  isData: (from: number, end: number) => boolean,
): Promise<void> {
  if (mapsNothing !== true) {
    t.is(mapOf(image, format), await qemuMap(qemu, image));
    return;
  }
  const info = JSON.parse(await must('qemu-img', ['info', '--output=json', image]));
  const blockBytes = info['cluster-size'] as number;
  const size = info['virtual-size'] as number;
  const expected: [number, boolean][] = [];
  for (let at = 0; at < size; at += blockBytes) {
    const data = isData(at, Math.min(at + blockBytes, size));
    if (expected.at(-1)?.[1] !== data) expected.push([at, data]);
  }
  const found: [number, boolean][] = [];
  for (const { start, data } of mapOfImage(image, { format })) {
    if (found.at(-1)?.[1] !== data) found.push([start, data]);
  }
  t.deepEqual(found, expected);
}

for (const made of FORMATS) {
  const { format, qemu = format, options, blockBytes, largest } = made;
  for (const option of options) {
    qemuTest(`${format} with "${option}" reads and maps as in QEMU`, async (t) => {
      const maker = new Maker(tempFolder(t, TMPFS));
      for (const size of [512, blockBytes - 512, 6 * MIB, 6 * MIB + 512]) {
        const image = make(maker, made, option, size);
        const whole = converted(maker, qemu, image);
        sameBytes(t, await readImage(image, { format }), whole);
        const isData = (from: number, end: number): boolean =>
          whole.subarray(from, end).some((byte) => byte !== 0);
        await checkMap(t, made, image, isData);
      }
      // QEMU itself cannot make an empty VHDX image of large blocks, or an empty qcow image.
      if (option.includes('256M') || format === 'qcow') return;
      const empty = make(maker, made, option, 0);
      t.is((await readImage(empty, { format })).length, 0);
      t.deepEqual(mapOfImage(empty, { format }), []);
    });
  }

  qemuTest(`${format}: a sparse image of ${largest / GIB} GiB maps as in QEMU`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    const image = make(maker, made, options[0]!, largest);
    const end = largest - 10 * MIB;
    maker.io(image, qemu, `write -P 7 ${end} 100k`, `write -P 8 ${largest / 2 + 4096} 8k`);
    const written = [1, largest / 2 + 4096, end];
    if (made.mapsNoLarge === true) {
      const data = mapOfImage(image, { format }).filter((entry) => entry.data);
      for (const at of written) {
        t.true(data.some(({ start, length }) => start <= at && at < start + length));
      }
      t.true(data.reduce((sum, { length }) => sum + length, 0) < 16 * MIB);
    } else {
      await checkMap(t, made, image, (from, to) => written.some((at) => from <= at && at < to));
    }
    const part = await readImage(image, { from: end - 512, length: 1024 });
    sameBytes(t, part, Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 7)]));
  });
}

qemuMountTest('all formats are mounted, with qcow2 over them, and read as in QEMU', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const files = FORMATS.map((made) => {
    const { format, qemu = format, options } = made;
    const image = make(maker, made, options[0]!, 6 * MIB);
    const over = maker.path(`over-${format}.qcow2`);
    maker.create(over, String(8 * MIB), '', '-b', image, '-F', qemu);
    maker.io(over, 'qcow2', 'write -P 9 50k 100k', 'write -P 10 6M 64k');
    return { ...made, qemu, image, over };
  });
  const images = files.flatMap(({ format, image, over }) => [
    `${format}=${image}`,
    `over-${format}=${over}`,
  ]);
  await withMount(t, images, ['--read-only'], async (mount) => {
    for (const { format, qemu, image, over, mapsNothing } of files) {
      sameBytes(t, readFileSync(mount.file(format)), converted(maker, qemu, image));
      sameBytes(t, readFileSync(mount.file(`over-${format}`)), converted(maker, 'qcow2', over));
      if (mapsNothing !== true) t.is(mapOf(over, 'qcow2'), await qemuMap('qcow2', over));
    }
  });
});

qemuMountTest('an overlay takes the writes to any format, and is good for QEMU', async (t) => {
  for (const made of FORMATS) {
    const maker = new Maker(tempFolder(t, TMPFS));
    const { format, qemu = format, options } = made;
    const image = make(maker, made, options[0]!, 6 * MIB);
    const before = readFileSync(image);
    const overlay = maker.path('overlay.qcow2');
    const expected = converted(maker, qemu, image);
    expected.fill('written', 70_000, 170_000);
    const words = ['--overlay', overlay];
    await withMount(t, [`disk=${image}`], words, async (mount) => {
      const file = openSync(mount.file(), 'r+');
      writeSync(file, expected, 70_000, 100_000, 70_000);
      closeSync(file);
      sameBytes(t, readFileSync(mount.file()), expected);
    });
    sameBytes(t, converted(maker, 'qcow2', overlay), expected);
    t.true(readFileSync(image).equals(before));
    // Without an overlay it is refused in one sentence.
    const refused = await warmSluice(['mount', image, maker.folder]);
    t.is(refused.code, 3);
    t.regex(refused.stderr, /cannot be written; --overlay FILE .*, --read-only/);
  }
});
