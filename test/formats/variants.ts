import { writeFileSync } from 'node:fs';
import type { Maker } from '../../tools/lib/image-maker.js';
import { pattern } from '../helpers/temp.js';

/**
 * Images made by qemu-img and qemu-io, with every feature of qcow2, and chains. Each variant makes its
 * files in a folder of its own.
 */
export interface Variant {
  title: string;
  make(folder: Maker): void;
  /** Name of the top image, `top.qcow2` if absent; it ends in the name of the format. */
  top?: string;
  /** Further words for `sluice mount` and `sluice map`. */
  words?: readonly string[];
  /** Options of `qemu-img convert` that open the same image. */
  convert?: readonly string[];
  /** qemu-img map has no option to show this image: only the contents are compared. */
  noMap?: boolean;
}

const MIB = 1 << 20;
/** The writes to every image: aligned, unaligned, across clusters, zeros, discards. */
const WRITES = [
  'write -P 1 0 64k',
  'write -P 2 100k 300k',
  'write -P 3 777216 1234944',
  'write -P 4 3M 512',
  'write -P 5 4095k 2k',
  'write -z 1M 128k',
  'write -z -u 128k 64k',
  'discard 1536k 256k',
  'write -P 6 5M 1M',
];

function single(title: string, options: string, size = '6M', ...more: string[]): Variant {
  return {
    title,
    make(maker) {
      maker.create('top.qcow2', size, options, ...more);
      maker.io('top.qcow2', 'qcow2', ...WRITES);
    },
  };
}

function compressed(title: string, options: string): Variant {
  return {
    title,
    make(maker) {
      const bytes = Buffer.alloc(6 * MIB);
      pattern(MIB, 7).copy(bytes, 0);
      bytes.fill('sluice compresses well. ', MIB, 3 * MIB);
      for (let at = 4 * MIB; at < 5 * MIB; at += 512) bytes[at] = at % 251;
      writeFileSync(maker.path('source.raw'), bytes);
      const words = ['convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options];
      maker.img(...words, 'source.raw', 'top.qcow2');
    },
  };
}

/** Makes a raw image with islands of data. */
function makeRaw(maker: Maker, name: string, size: number): void {
  maker.raw(name, size);
  const end = size - (size % 512);
  const at = (from: number, length: number) =>
    `${from} ${Math.max(512, Math.min(length, end - from))}`;
  maker.io(name, 'raw', `write -P 17 ${at(0, 200 * 1024)}`);
  if (end > 2 * MIB) maker.io(name, 'raw', `write -P 18 ${at(1900 * 1024, 300 * 1024)}`);
  maker.io(name, 'raw', `write -P 19 ${end - 4096} 4096`);
}

function overRaw(title: string, rawSize: number, topSize: string, options = ''): Variant {
  return {
    title,
    make(maker) {
      makeRaw(maker, 'base.img', rawSize);
      maker.create('top.qcow2', topSize, options, '-b', 'base.img', '-F', 'raw');
      maker.io('top.qcow2', 'qcow2', 'write -P 33 64k 100k', 'write -z 256k 128k');
      maker.io('top.qcow2', 'qcow2', 'write -P 34 1M 4k');
    },
  };
}

/** Three layers with sizes in MiB, each with islands of its own. */
function chain(sizes: readonly [number, number, number], options = ''): Variant {
  const [base, middle, top] = sizes;
  return {
    title: `a chain of ${base}, ${middle} and ${top} MiB ${options}`.trimEnd(),
    make(maker) {
      maker.create('base.qcow2', `${base}M`, options);
      maker.io('base.qcow2', 'qcow2', `write -P 1 0 ${base}M`);
      maker.create('middle.qcow2', `${middle}M`, options, '-b', 'base.qcow2', '-F', 'qcow2');
      maker.io('middle.qcow2', 'qcow2', 'write -P 2 256k 64k', 'write -z 512k 128k');
      maker.create('top.qcow2', `${top}M`, options, '-b', 'middle.qcow2', '-F', 'qcow2');
      maker.io('top.qcow2', 'qcow2', 'write -P 3 320k 64k', `write -P 4 ${top * 1024 - 8}k 8k`);
    },
  };
}

interface Above {
  size: number;
  options: string;
}

/** A raw image under two qcow2 images, each with islands of data at the ends of the others. */
function overRawTwice(title: string, rawSize: number, middle: Above, top: Above): Variant {
  return {
    title,
    make(maker) {
      makeRaw(maker, 'base.img', rawSize);
      const { options } = middle;
      maker.create('middle.qcow2', String(middle.size), options, '-b', 'base.img', '-F', 'raw');
      const last = middle.size - (middle.size % 512) - 1024;
      maker.io('middle.qcow2', 'qcow2', 'write -P 40 60k 10k', `write -P 41 ${last} 1024`);
      maker.io('middle.qcow2', 'qcow2', 'write -z 128k 128k');
      const over = ['-b', 'middle.qcow2', '-F', 'qcow2'];
      maker.create('top.qcow2', String(top.size), top.options, ...over);
      maker.io('top.qcow2', 'qcow2', 'write -P 42 200k 100k', 'write -z 16k 16k');
      maker.io('top.qcow2', 'qcow2', 'discard 512k 128k');
    },
  };
}

/** Layers of 1 MiB each over a raw image, each with an island. */
function deep(layers: number): Variant {
  return {
    title: `${layers} layers of qcow2 over a raw one`,
    make(maker) {
      makeRaw(maker, 'layer0', MIB);
      for (let i = 1; i <= layers; i++) {
        const name = i === layers ? 'top.qcow2' : `layer${i}`;
        const format = i === 1 ? 'raw' : 'qcow2';
        maker.create(name, '1M', 'cluster_size=4k', '-b', `layer${i - 1}`, '-F', format);
        maker.io(name, 'qcow2', `write -P ${i} ${i * 60}k 20k`, `write -z ${i * 60 + 10}k 3k`);
      }
    },
  };
}

const CLUSTERS = [
  '512',
  '1k',
  '2k',
  '4k',
  '8k',
  '16k',
  '32k',
  '64k',
  '128k',
  '256k',
  '512k',
  '1M',
  '2M',
];

const SINGLES: Variant[] = [
  ...CLUSTERS.map((size) => single(`clusters of ${size}`, `cluster_size=${size}`)),
  ...['512', '4k', '64k', '2M'].map((size) => {
    return single(`version 2, clusters of ${size}`, `compat=0.10,cluster_size=${size}`);
  }),
  ...['16k', '32k', '64k', '256k', '2M'].map((size) => {
    return single(`subclusters in ${size}`, `extended_l2=on,cluster_size=${size}`);
  }),
  ...['1', '2', '4', '8', '32', '64'].map((bits) => {
    return single(`refcounts of ${bits} bits`, `refcount_bits=${bits}`);
  }),
  single('lazy refcounts', 'lazy_refcounts=on'),
  ...['metadata', 'falloc', 'full'].map((how) => {
    return single(`preallocation ${how}`, `preallocation=${how}`);
  }),
  single('preallocation metadata with subclusters', 'preallocation=metadata,extended_l2=on'),
  single('an external data file', 'data_file=@/data.bin'),
  single('an external data file with small clusters', 'data_file=@/data.bin,cluster_size=4k'),
  single('a raw external data file', 'data_file=@/data.bin,data_file_raw=on'),
  single('an external data file with large clusters', 'data_file=@/data.bin,cluster_size=2M'),
  single(
    'a raw external data file of an unaligned size',
    'data_file=@/data.bin,data_file_raw=on',
    String(6 * MIB + 4096),
  ),
  single('an external data file with subclusters', 'data_file=@/data.bin,extended_l2=on'),
  single('an unaligned size', '', String(6 * MIB + 512)),
  single('an unaligned size in large clusters', 'cluster_size=2M', String(6 * MIB + 4096 + 512)),
];

const COMPRESSED: Variant[] = [
  ...['512', '4k', '64k', '2M'].map((size) => {
    return compressed(`zlib in clusters of ${size}`, `cluster_size=${size}`);
  }),
  ...['4k', '64k', '2M'].map((size) => {
    return compressed(`zstd in clusters of ${size}`, `compression_type=zstd,cluster_size=${size}`);
  }),
  compressed('zlib in version 2', 'compat=0.10'),
  compressed('zlib with subclusters', 'extended_l2=on'),
  compressed('zstd with subclusters', 'extended_l2=on,compression_type=zstd'),
  {
    title: 'compressed clusters partly overwritten',
    make(maker) {
      compressed('', 'cluster_size=64k').make(maker);
      maker.io('top.qcow2', 'qcow2', 'write -P 9 1100k 10k', 'write -z 2M 100k');
    },
  },
  {
    title: 'an overlay over compressed clusters',
    make(maker) {
      compressed('', 'compression_type=zstd').make(maker);
      maker.img('rebase', '-u', '-f', 'qcow2', '-b', '', 'top.qcow2');
      maker.img('convert', '-c', '-O', 'qcow2', 'top.qcow2', 'base.qcow2');
      maker.create('top.qcow2', '8M', '', '-b', 'base.qcow2', '-F', 'qcow2');
      maker.io('top.qcow2', 'qcow2', 'write -P 9 1100k 10k');
    },
  },
];

const CHAINS: Variant[] = [
  overRaw('a raw backing file of the same size', 4 * MIB, '4M'),
  overRaw('a shorter raw backing file', 2 * MIB, '6M'),
  overRaw('a longer raw backing file', 6 * MIB, '3M'),
  overRaw('a raw backing file that ends within a cluster', 2 * MIB + 5120, '6M'),
  overRaw('a raw backing file that ends within a sector', 2 * MIB + 1000, '6M'),
  overRaw('subclusters over a raw backing file', 2 * MIB + 5120, '6M', 'extended_l2=on'),
  overRaw('small clusters over a raw backing file', 2 * MIB + 512, '6M', 'cluster_size=512'),
  overRaw('large clusters over a raw backing file', 2 * MIB + 512, '6M', 'cluster_size=2M'),
  overRaw('version 2 over a raw backing file', 2 * MIB, '6M', 'compat=0.10'),
  chain([2, 2, 2]),
  chain([2, 1, 2]),
  chain([3, 1, 2]),
  chain([1, 2, 3]),
  chain([3, 2, 1]),
  chain([1, 3, 2]),
  chain([2, 1, 2], 'cluster_size=512'),
  chain([2, 1, 2], 'extended_l2=on,cluster_size=16k'),
  chain([3, 1, 4], 'cluster_size=2M'),
  overRawTwice(
    'raw, small clusters and large ones, each longer',
    2 * MIB + 1000,
    { size: 3 * MIB, options: 'cluster_size=4k' },
    { size: 4 * MIB + 512, options: 'cluster_size=512k' },
  ),
  overRawTwice(
    'raw, shorter subclusters, small clusters',
    4 * MIB,
    { size: 2 * MIB + 512, options: 'extended_l2=on' },
    { size: 3 * MIB + 512, options: 'cluster_size=512' },
  ),
  overRawTwice(
    'raw, version 2, a shorter top of subclusters',
    MIB + 5 * 512,
    { size: 3 * MIB, options: 'compat=0.10' },
    { size: 2 * MIB + 512, options: 'extended_l2=on,cluster_size=2M' },
  ),
  overRawTwice(
    'raw, a much shorter middle, 1-bit refcounts',
    3 * MIB + 100,
    { size: 700 * 1024, options: 'cluster_size=16k' },
    { size: 6 * MIB, options: 'cluster_size=1k,refcount_bits=1' },
  ),
  deep(5),
  {
    title: 'subclusters over zstd in small clusters',
    make(maker) {
      compressed('', 'compression_type=zstd,cluster_size=4k').make(maker);
      maker.img('rebase', '-u', '-f', 'qcow2', '-b', '', 'top.qcow2');
      maker.img('convert', '-c', '-O', 'qcow2', 'top.qcow2', 'base.qcow2');
      const options = 'extended_l2=on,cluster_size=32k';
      maker.create('top.qcow2', '5M', options, '-b', 'base.qcow2', '-F', 'qcow2');
      maker.io(
        'top.qcow2',
        'qcow2',
        'write -P 9 1100k 3k',
        'write -z 2049k 1k',
        'write -P 8 4M 1k',
      );
    },
  },
  {
    title: 'over an image with a data file',
    make(maker) {
      maker.create('base.qcow2', '3M', 'data_file=@/base.data,cluster_size=16k');
      maker.io('base.qcow2', 'qcow2', 'write -P 3 0 100k', 'write -z 64k 32k', 'write -P 4 2M 1M');
      maker.create('top.qcow2', '4M', 'cluster_size=4k', '-b', 'base.qcow2', '-F', 'qcow2');
      maker.io('top.qcow2', 'qcow2', 'write -P 9 70k 10k', 'write -P 8 3070k 4k');
    },
  },
  {
    title: 'a json: name as backing file',
    make(maker) {
      makeRaw(maker, 'base.img', 2 * MIB);
      const file = { driver: 'file', filename: maker.path('base.img') };
      const name = `json:${JSON.stringify({ driver: 'raw', file })}`;
      const words = ['create', '-q', '-f', 'qcow2', '-u', '-b', name, '-F', 'raw'];
      maker.img(...words, 'top.qcow2', '3M');
    },
  },
  {
    title: 'a file: name as backing file',
    make(maker) {
      makeRaw(maker, 'base.img', 2 * MIB);
      maker.create('top.qcow2', '3M', '', '-b', `file:${maker.path('base.img')}`, '-F', 'raw');
    },
  },
  {
    title: 'no backing format: raw',
    make(maker) {
      makeRaw(maker, 'base.img', 2 * MIB);
      // qemu-img does not make such images any more, so the name of the extension is erased.
      maker.create('top.qcow2', '3M', '', '-b', 'base.img', '-F', 'raw');
      maker.patch('top.qcow2', Buffer.from('e2792aca', 'hex'), Buffer.from('12345678', 'hex'));
    },
  },
];

const SNAPSHOTS: Variant[] = ['64k', '512', '2M'].map((size) => ({
  title: `an internal snapshot in clusters of ${size}`,
  make(maker) {
    maker.create('top.qcow2', '6M', `cluster_size=${size}`);
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 3M');
    maker.img('snapshot', '-c', 'before', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'write -P 2 1M 3M', 'discard 0 512k');
    maker.img('snapshot', '-c', 'after', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', ...WRITES);
  },
}));

/** A snapshot whose subclusters were partly written after it was made. */
const SPLIT_SNAPSHOT: Variant = {
  title: 'an internal snapshot with subclusters',
  make(maker) {
    maker.create('top.qcow2', '6M', 'extended_l2=on');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 3M');
    maker.img('snapshot', '-c', 'before', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'write -P 2 1M 3k', 'write -z 64k 2k', ...WRITES);
  },
};

export const VARIANTS: readonly Variant[] = [
  ...SINGLES,
  ...COMPRESSED,
  ...CHAINS,
  ...SNAPSHOTS,
  SPLIT_SNAPSHOT,
  ...[...SNAPSHOTS, SPLIT_SNAPSHOT].map((variant) => ({
    ...variant,
    title: `${variant.title}, shown`,
    words: ['--snapshot', 'before'],
    convert: ['-l', 'snapshot.name=before'],
    noMap: true,
  })),
];
