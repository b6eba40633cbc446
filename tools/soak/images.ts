import { rm } from 'node:fs/promises';
import type { Random } from '../exerciser/random.js';
import { run } from '../lib/process.js';
import type { Place, TestImage } from '../torture/place.js';
import { ImageModel } from '../verifier/image-model.js';
import { writeContent } from '../verifier/judge.js';
import { SECTOR } from '../verifier/stamps.js';

const MIB_SECTORS = 2048;
const LEAST_MIB = 8;
const MOST_MIB = 48;
/** A growable image can become this many times as long. */
const GROWTH = 2;

/** An image of the soak with what its mount needs. */
export interface SoakImage extends TestImage {
  title: string;
  growable: boolean;
  /** After a kill its refcounts are wrong until it is mounted again. */
  lazy: boolean;
  /** A kill may have left leaks, which stay until somebody repairs the image. */
  mayLeak: boolean;
  /** The raw image at the end of its chain, which nobody writes. */
  base: TestImage | null;
}

interface Kind {
  title: string;
  format: 'raw' | 'qcow2';
  /** For `qemu-img create -o` and `convert -o`; `@` is the path of the image. */
  options?: string;
  /** Below it are images with content: a raw one, and as many overlays. */
  layers?: number;
  /** Begins with content that is compressed. */
  compressed?: boolean;
  growable?: boolean;
  lazy?: boolean;
}

const KINDS: readonly Kind[] = [
  { title: 'raw', format: 'raw' },
  { title: 'raw, growable', format: 'raw', growable: true },
  { title: 'qcow2', format: 'qcow2', options: 'cluster_size=65536' },
  { title: 'qcow2, clusters of 512 bytes', format: 'qcow2', options: 'cluster_size=512' },
  { title: 'qcow2, clusters of 4 KiB', format: 'qcow2', options: 'cluster_size=4096' },
  { title: 'qcow2, clusters of 2 MiB', format: 'qcow2', options: 'cluster_size=2M' },
  { title: 'qcow2, version 2', format: 'qcow2', options: 'compat=0.10' },
  { title: 'qcow2, refcounts of 1 bit', format: 'qcow2', options: 'refcount_bits=1' },
  { title: 'qcow2, refcounts of 64 bits', format: 'qcow2', options: 'refcount_bits=64' },
  { title: 'qcow2, lazy refcounts', format: 'qcow2', options: 'lazy_refcounts=on', lazy: true },
  { title: 'qcow2, subclusters', format: 'qcow2', options: 'extended_l2=on' },
  { title: 'qcow2, allocated before', format: 'qcow2', options: 'preallocation=metadata' },
  { title: 'qcow2, data file', format: 'qcow2', options: 'data_file=@.data' },
  { title: 'qcow2, growable', format: 'qcow2', options: 'cluster_size=4096', growable: true },
  { title: 'qcow2, compressed', format: 'qcow2', compressed: true },
  {
    title: 'qcow2, compressed with zstd',
    format: 'qcow2',
    options: 'compression_type=zstd',
    compressed: true,
  },
  { title: 'qcow2 over raw', format: 'qcow2', layers: 0 },
  { title: 'qcow2 over qcow2 over raw', format: 'qcow2', layers: 1 },
  {
    title: 'qcow2 with subclusters over two of it over raw',
    format: 'qcow2',
    options: 'extended_l2=on',
    layers: 2,
  },
];

/** Makes an image of a random kind. */
export async function makeImage(place: Place, random: Random, name: string): Promise<SoakImage> {
  const kind = KINDS[random.below(KINDS.length)];
  const { format, title, growable = false, lazy = false } = kind;
  const sectors = (LEAST_MIB + random.below(MOST_MIB - LEAST_MIB)) * MIB_SECTORS;
  const path = place.path(`${name}.${format}`);
  const model = new ImageModel(random.below(2 ** 30), sectors, sectors * (growable ? GROWTH : 1));
  const options = kind.options?.replace('@', path);
  let base: TestImage | null = null;
  if (kind.compressed) await makeCompressed(model, path, options);
  else if (kind.layers !== undefined) base = await makeChain(model, path, kind.layers, options);
  else if (format === 'raw') await run('truncate', ['-s', String(sectors * SECTOR), path]);
  else await create(path, sectors, options, []);
  return { path, format, model, title, growable, lazy, mayLeak: false, base };
}

function create(
  path: string,
  sectors: number,
  options: string | undefined,
  more: readonly string[],
): Promise<string> {
  const chosen = options === undefined ? [] : ['-o', options];
  const size = String(sectors * SECTOR);
  return run('qemu-img', ['create', '-q', '-f', 'qcow2', ...chosen, ...more, path, size]);
}

async function makeCompressed(
  model: ImageModel,
  path: string,
  options: string | undefined,
): Promise<void> {
  const source = `${path}.source`;
  await writeContent(model, source, model.sectors);
  const chosen = options === undefined ? [] : ['-o', options];
  const words = ['convert', '-c', '-f', 'raw', '-O', 'qcow2', ...chosen, source, path];
  await run('qemu-img', words, 60_000);
  await rm(source);
}

async function makeChain(
  model: ImageModel,
  path: string,
  layers: number,
  options: string | undefined,
): Promise<TestImage> {
  let below = `${path}.base`;
  const base: TestImage = {
    path: below,
    format: 'raw',
    model: new ImageModel(model.image, model.sectors),
  };
  await writeContent(model, below, model.sectors);
  base.model.fill(0, model.sectors);
  let format = 'raw';
  for (let layer = 0; layer < layers; layer++) {
    const over = `${path}.layer${layer}`;
    await create(over, model.sectors, options, ['-b', below, '-F', format]);
    below = over;
    format = 'qcow2';
  }
  await create(path, model.sectors, options, ['-b', below, '-F', format]);
  return base;
}
