import { constants } from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';

/** Zeros written to parts of clusters, over data of a backing file. Clusters have 4 KiB. */
interface Case {
  title: string;
  /** Size of the image, bytes. */
  size: number;
  /** Format of `base`; null: no backing file. */
  base: 'qcow2' | 'raw' | null;
  baseSize?: number;
  baseOptions?: string;
  /** Commands of qemu-io for the base, and then for the image. */
  below: readonly string[];
  top?: readonly string[];
  /** Ranges zeroed through the mount: offset, length. */
  zero: readonly (readonly [number, number])[];
  /** The image's own ranges afterwards, by qemu-img map: start, length, D for data or Z for zeros. */
  own: readonly (readonly [number, number, 'D' | 'Z'])[];
  /** The expected contents: arguments of qemu-io's `read`. */
  reads: readonly string[];
}

const K = 1024;

const CASES: readonly Case[] = [
  {
    title: 'the backing file has zeros there: nothing changes',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -z 0 128k'] },
    zero: [[9 * K, K]],
    own: [],
    reads: ['-P 0 0 128k'],
  },
  {
    title: 'the backing file has nothing there: nothing changes',
    ...{ size: 128 * K, base: 'qcow2', below: [] },
    zero: [[9 * K, 50 * K]],
    own: [],
    reads: ['-P 0 0 128k'],
  },
  {
    title: 'data before the range in the same cluster is kept',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -P 17 8k 1k'] },
    zero: [[10 * K, K]],
    own: [[8 * K, 4 * K, 'D']],
    reads: ['-P 0 0 8k', '-P 17 8k 1k', '-P 0 9k 119k'],
  },
  {
    title: 'data behind the range in the same cluster is kept',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -P 17 11k 1k'] },
    zero: [[9 * K, K]],
    own: [[8 * K, 4 * K, 'D']],
    reads: ['-P 0 0 11k', '-P 17 11k 1k', '-P 0 12k 116k'],
  },
  {
    title: 'two clusters, data before the range',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -P 17 8k 8k'] },
    zero: [[10 * K, 6 * K]],
    own: [
      [8 * K, 4 * K, 'D'],
      [12 * K, 4 * K, 'Z'],
    ],
    reads: ['-P 17 8k 2k', '-P 0 10k 118k'],
  },
  {
    title: 'two clusters, data behind the range',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -P 17 8k 8k'] },
    zero: [[8 * K, 6 * K]],
    own: [
      [8 * K, 4 * K, 'Z'],
      [12 * K, 4 * K, 'D'],
    ],
    reads: ['-P 0 0 14k', '-P 17 14k 2k', '-P 0 16k 112k'],
  },
  {
    title: 'five clusters, data at both ends',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -P 17 8k 20k'] },
    zero: [[9 * K, 18 * K]],
    own: [
      [8 * K, 4 * K, 'D'],
      [12 * K, 12 * K, 'Z'],
      [24 * K, 4 * K, 'D'],
    ],
    reads: ['-P 17 8k 1k', '-P 0 9k 18k', '-P 17 27k 1k'],
  },
  {
    title: 'the range is all that a cluster has: a zero cluster, although it is a part',
    ...{ size: 128 * K, base: 'qcow2', baseOptions: 'cluster_size=512' },
    below: ['write -P 17 9k 2k'],
    zero: [[9 * K, 2 * K]],
    own: [[8 * K, 4 * K, 'Z']],
    reads: ['-P 0 0 128k'],
  },
  {
    title: 'a part of what a cluster has stays',
    ...{ size: 128 * K, base: 'qcow2', baseOptions: 'cluster_size=512' },
    below: ['write -P 17 9k 2k'],
    zero: [[9 * K, K]],
    own: [[8 * K, 4 * K, 'D']],
    reads: ['-P 0 0 10k', '-P 17 10k 1k', '-P 0 11k 117k'],
  },
  {
    title: 'the backing file ends within the cluster, before the range',
    ...{ size: 128 * K, base: 'raw', baseSize: 5 * K, below: ['write -P 17 0 5k'] },
    zero: [[5 * K, 2 * K]],
    own: [],
    reads: ['-P 17 0 5k', '-P 0 5k 123k'],
  },
  {
    title: 'the backing file ends within the range',
    ...{ size: 128 * K, base: 'raw', baseSize: 5 * K, below: ['write -P 17 0 5k'] },
    zero: [[4 * K + 512, 2 * K]],
    own: [[4 * K, 4 * K, 'D']],
    reads: ['-P 17 0 4608', '-P 0 4608 126464'],
  },
  {
    title: 'the range begins where the cluster does, and the backing file ends within it',
    ...{ size: 128 * K, base: 'raw', baseSize: 5 * K, below: ['write -P 17 0 5k'] },
    zero: [[4 * K, 2 * K]],
    own: [[4 * K, 4 * K, 'Z']],
    reads: ['-P 17 0 4k', '-P 0 4k 124k'],
  },
  {
    title: 'the last cluster is a part: zeroing all of it needs no data',
    ...{ size: 128 * K + 512, base: 'qcow2', baseSize: 132 * K, below: ['write -P 17 0 132k'] },
    zero: [[128 * K, 512]],
    own: [[128 * K, 512, 'Z']],
    reads: ['-P 17 0 128k', '-P 0 128k 512'],
  },
  {
    title: 'a part of a last cluster that is a part',
    ...{ size: 128 * K + 2048, base: 'qcow2', baseSize: 132 * K, below: ['write -P 17 0 132k'] },
    zero: [[129 * K, K]],
    own: [[128 * K, 2 * K, 'D']],
    reads: ['-P 17 0 129k', '-P 0 129k 1k'],
  },
  {
    title: 'a last cluster that is a part, behind a shorter backing file',
    ...{ size: 128 * K + 2048, base: 'qcow2', baseSize: 64 * K, below: ['write -P 17 0 64k'] },
    zero: [[128 * K, K]],
    own: [],
    reads: ['-P 17 0 64k', '-P 0 64k 66k'],
  },
  {
    title: 'no backing file: what is not there is zeros',
    ...{ size: 128 * K, base: null, below: [] },
    zero: [[9 * K, K]],
    own: [],
    reads: ['-P 0 0 128k'],
  },
  {
    title: 'zero clusters of its own stay as they are',
    ...{ size: 128 * K, base: 'qcow2', below: ['write -P 17 0 128k'], top: ['write -z 8k 8k'] },
    zero: [[9 * K, 2 * K]],
    own: [[8 * K, 8 * K, 'Z']],
    reads: ['-P 17 0 8k', '-P 0 8k 8k', '-P 17 16k 112k'],
  },
];

interface MapLine {
  start: number;
  length: number;
  depth: number;
  present: boolean;
  zero: boolean;
  data: boolean;
}

for (const [how, mode] of [
  ['punching', 0x02 | 0x01],
  ['zeroing', 0x10 | 0x01],
] as const) {
  qemuMountTest(`${how} parts of clusters over a backing file`, async (t) => {
    const made = CASES.map((one, index) => {
      const maker = new Maker(tempFolder(t, TMPFS));
      const { size, base, baseSize = size, baseOptions = 'cluster_size=4k' } = one;
      if (base === 'raw') maker.raw('base', baseSize);
      else if (base === 'qcow2') maker.create('base', String(baseSize), baseOptions);
      if (base !== null && one.below.length > 0) maker.io('base', base, ...one.below);
      const backing = base === null ? [] : ['-b', 'base', '-F', base];
      maker.create('top.qcow2', String(size), 'cluster_size=4k', ...backing);
      if (one.top !== undefined) maker.io('top.qcow2', 'qcow2', ...one.top);
      return { one, name: `v${index}`, image: maker.path('top.qcow2') };
    });
    const images = made.map(({ name, image }) => `${name}=${image}`);
    const agent = new FileAgent(t);
    await withMount(t, images, [], async (mount) => {
      for (const { one, name } of made) {
        const fd = await agent.open(mount.file(name), constants.O_RDWR);
        for (const [offset, length] of one.zero) {
          t.is(await agent.result({ call: 'fallocate', fd, mode, offset, length }), 0, one.title);
        }
        await agent.close(fd);
        const words = one.reads.flatMap((read) => ['-c', `read ${read}`]);
        await must('qemu-io', ['-r', '-f', 'raw', ...words, mount.file(name)]);
      }
    });
    for (const { one, image } of made) {
      await must('qemu-img', ['check', '-f', 'qcow2', image]);
      const text = await must('qemu-img', ['map', '--output=json', '-f', 'qcow2', image]);
      const own = (JSON.parse(text) as MapLine[]).filter(
        (line) => line.depth === 0 && line.present,
      );
      const lines = own.map(({ start, length, zero }) => [start, length, zero ? 'Z' : 'D']);
      t.deepEqual(lines, one.own as unknown as (string | number)[][], one.title);
      const words = one.reads.flatMap((read) => ['-c', `read ${read}`]);
      await must('qemu-io', ['-f', 'qcow2', ...words, image]);
    }
  });
}
