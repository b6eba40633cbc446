import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { describeImage } from '../../src/image/describe.js';
import { mapImage } from '../../src/image/map-image.js';
import { openChain } from '../../src/image/open-chain.js';
import { crc32c } from '../../src/image/vhdx/crc32c.js';
import { SluiceError } from '../../src/util/errors.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { readImage } from '../helpers/read-image.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuTest } from './needs.js';

const MIB = 1 << 20;
/** Values of a field of 32 bits that are the least, the most, or change their sign. */
const EXTREMES = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];
/** More entries of a map are not asked for: a hostile table can have as many as a large disk. */
const ENTRIES_MAX = 2000;
const SECTOR = 512;

/** An image that qemu-img makes, and the places of its fields. */
interface Hostile {
  format: string;
  qemu?: string;
  options?: string;
  /** Ranges of 32-bit fields: from, and up to. */
  fields: readonly (readonly [number, number])[];
  /** Without data, for its footer comes behind. */
  empty?: boolean;
  /** Makes the checksums right again. */
  seal?(bytes: Buffer, at: number): void;
}

function sealVhd(bytes: Buffer): void {
  for (const [at, length, field] of [
    [0, 512, 64],
    [bytes.length - 512, 512, 64],
    [512, 1024, 36],
  ] as const) {
    bytes.writeUInt32BE(0, at + field);
    let sum = 0;
    for (let i = at; i < at + length; i++) sum += bytes[i]!;
    bytes.writeUInt32BE(~sum >>> 0, at + field);
  }
}

/** @param at The field that has changed. */
function sealVhdx(bytes: Buffer, at: number): void {
  for (const [start, length] of [
    [65536, 4096],
    [131072, 4096],
    [196608, 65536],
    [262144, 65536],
  ] as const) {
    if (at < start || at >= start + length) continue;
    bytes.writeUInt32LE(crc32c(bytes.subarray(start, start + length), 4), start + 4);
  }
}

const IMAGES: readonly Hostile[] = [
  {
    ...{ format: 'vhd', qemu: 'vpc', options: 'force_size=on', seal: sealVhd, empty: true },
    // The footer at the beginning is a copy that only counts where the one at the end is broken.
    fields: [
      [-512, -424],
      [512, 576],
      [1088, 1112],
      [1536, 1548],
    ],
  },
  {
    ...{ format: 'vhd', qemu: 'vpc', options: 'subformat=fixed,force_size=on', empty: true },
    seal: (bytes) => {
      const footer = Buffer.concat([Buffer.alloc(1536), bytes.subarray(-512)]);
      sealVhd(footer);
      footer.copy(bytes, bytes.length - 512, 1536);
    },
    fields: [[-512, -424]],
  },
  {
    ...{ format: 'vhdx', options: 'block_size=1M', seal: sealVhdx },
    fields: [
      [65536, 65616],
      [131072, 131152],
      [196608, 196688],
      [2 * MIB, 2 * MIB + 32],
      [3 * MIB, 3 * MIB + 192],
      [3 * MIB + 65536, 3 * MIB + 65576],
    ],
  },
  {
    format: 'vdi',
    fields: [
      [64, 80],
      [0x150, 0x1c8],
      [512, 524],
    ],
  },
  {
    format: 'vmdk',
    // The header, the grain directory, and the grain table.
    fields: [
      [0, 80],
      [26 * SECTOR, 26 * SECTOR + 8],
      [27 * SECTOR, 27 * SECTOR + 8],
    ],
  },
  { format: 'parallels', fields: [[0, 76]] },
  { format: 'qcow', fields: [[0, 72]] },
  {
    format: 'qed',
    fields: [
      [0, 64],
      [65536, 65552],
    ],
  },
];

/** Opens, describes, maps and reads an image. It may be refused, with exit code 3, and takes no second of a processor. */
async function look(
  t: ExecutionContext,
  path: string,
  format: string,
  what: string,
): Promise<void> {
  const start = process.cpuUsage();
  const options = { format, backingFormats: [], snapshot: null };
  try {
    describeImage(path, options);
    const chain = openChain(path, options);
    const { size } = chain.layers[0]!.image;
    try {
      let count = 0;
      for (const _entry of mapImage(chain)) if (++count >= ENTRIES_MAX) break;
    } finally {
      chain.close();
    }
    for (const from of [0, Math.max(0, size - 4096)]) {
      await readImage(path, { format, from, length: 4096 });
    }
  } catch (error) {
    // A broken entry is EIO for those who read it.
    const isErrno = error instanceof Error && /^errno (5|22) at/.test(error.message);
    const isRefused = error instanceof SluiceError && [1, 3].includes(error.exitCode);
    if (!isErrno && !isRefused) t.fail(`${what}: ${(error as Error).stack}`);
  }
  const { user, system } = process.cpuUsage(start);
  const ms = (user + system) / 1000;
  if (ms > 1000) t.fail(`${what}: ${ms} ms`);
}

for (const { format, qemu = format, options, fields, empty, seal = () => {} } of IMAGES) {
  const title = `${format}${options === undefined ? '' : ` with ${options}`}`;

  /** Makes the image, and gives it to `use` with a function that writes other bytes. */
  const withImage = async (
    t: ExecutionContext,
    use: (
      path: string,
      good: Buffer,
      put: (bytes: Buffer, from: number, end: number) => void,
    ) => Promise<void>,
  ): Promise<void> => {
    const maker = new Maker(tempFolder(t, TMPFS));
    const name = `image.${format}`;
    maker.img(
      'create',
      '-q',
      '-f',
      qemu,
      ...(options === undefined ? [] : ['-o', options]),
      name,
      '3M',
    );
    if (empty !== true) maker.io(name, qemu, 'write -P 1 0 64k');
    const path = maker.path(name);
    const file = openSync(path, 'r+');
    try {
      await use(path, readFileSync(path), (bytes, from, end) => {
        ftruncateSync(file, bytes.length);
        writeSync(file, bytes, from, end - from, from);
      });
    } finally {
      closeSync(file);
    }
  };

  qemuTest(`${title}: every field of the headers at its extremes`, async (t) => {
    await withImage(t, async (path, good, put) => {
      /** Changes a field, with the checksum that lies in the same 64 KiB. */
      const change = (at: number, value: number): void => {
        good.writeUInt32BE(value, at);
        seal(good, at);
        const from = at - (at % 65536);
        put(good, from, Math.min(good.length, from + 65536));
      };
      for (const [from, end] of fields) {
        const start = from < 0 ? good.length + from : from;
        for (let at = start; at < start + end - from; at += 4) {
          const old = good.readUInt32BE(at);
          for (const value of EXTREMES) {
            change(at, value);
            await look(t, path, format, `${value} at ${at}`);
          }
          change(at, old);
        }
      }
    });
    t.pass();
  });

  qemuTest(`${title}: cut off at every sector`, async (t) => {
    await withImage(t, async (path, good, put) => {
      for (let size = good.length - (good.length % SECTOR); size >= 0; ) {
        put(good.subarray(0, size), size, size);
        await look(t, path, format, `cut off at ${size}`);
        // Every sector of the tables, which the first MiB has, and some of the data.
        size -= size > 128 * 1024 ? 64 * 1024 : SECTOR;
      }
    });
    t.pass();
  });
}
