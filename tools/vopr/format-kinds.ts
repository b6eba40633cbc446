import { writeFileSync } from 'node:fs';
import type { Maker } from '../lib/image-maker.js';
import { halfNoise, type Kind, type KnownPartition } from './image-kinds.js';

const KIB = 1024;
/** Tables and blocks of these formats begin at any sector. */
const SECTORS: Pick<Kind, 'alignments' | 'longest'> = { alignments: [1, 512], longest: 256 * KIB };

/** A format of qemu-img, by its names there and here, and the options for a small image. */
interface Other {
  title: string;
  qemu: string;
  format: string;
  options?: string;
}

const OTHERS: readonly Other[] = [
  { title: 'VMDK', qemu: 'vmdk', format: 'vmdk' },
  { title: 'VMDK, a stream', qemu: 'vmdk', format: 'vmdk', options: 'subformat=streamOptimized' },
  { title: 'VHD', qemu: 'vpc', format: 'vhd', options: 'subformat=dynamic,force_size=on' },
  { title: 'VHDX', qemu: 'vhdx', format: 'vhdx', options: 'block_size=1M,log_size=1M' },
  { title: 'VDI', qemu: 'vdi', format: 'vdi' },
  { title: 'qcow 1', qemu: 'qcow', format: 'qcow' },
  { title: 'QED', qemu: 'qed', format: 'qed' },
];

/** Makes an image with half of its clusters written, some of them zeros. */
function makeOther(maker: Maker, { qemu, options }: Other, name: string): void {
  writeFileSync(maker.path('source'), halfNoise(1024 * KIB));
  const words = options === undefined ? [] : ['-o', options];
  maker.img('convert', '-f', 'raw', '-O', qemu, ...words, 'source', name);
}

/** Only read. */
function alone(other: Other): Kind {
  const { title, qemu, format } = other;
  return {
    title,
    ...{ format, qemu, top: 'top.other', readOnly: true },
    make: (maker) => makeOther(maker, other, 'top.other'),
    ...SECTORS,
  };
}

/** Written through an overlay. */
function below(other: Other): Kind {
  const { title, qemu } = other;
  return {
    title: `over ${title}`,
    make(maker) {
      makeOther(maker, other, 'base.other');
      maker.create('top.qcow2', '2M', 'cluster_size=4k', '-b', 'base.other', '-F', qemu);
    },
    ...{ alignments: [1], longest: 16 * KIB },
    growth: 4,
  };
}

/** Every byte has its place, so it is written. */
function inPlace(title: string, qemu: string, format: string, options: string): Kind {
  return {
    title,
    ...{ format, qemu, top: 'top.other', inPlace: true },
    make: (maker) => makeOther(maker, { title, qemu, format, options }, 'top.other'),
    ...SECTORS,
  };
}

/** They end and begin within pages, and the last one ends with the disk. */
export const PARTITIONS: readonly KnownPartition[] = [
  { number: 1, start: 16, length: 601 },
  { number: 2, start: 617, length: 407 },
  { number: 4, start: 1024, length: 1024 },
];

/** The sector of an MBR with these partitions. */
export function masterBootRecord(partitions: readonly KnownPartition[]): Buffer {
  const sector = Buffer.alloc(512);
  sector.writeUInt32LE(0x5ca1ab1e, 440);
  for (const { number, start, length } of partitions) {
    const entry = 446 + (number - 1) * 16;
    sector[entry + 4] = 0x83;
    sector.writeUInt32LE(start, entry + 8);
    sector.writeUInt32LE(length, entry + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** A qcow2 image of a disk with partitions. */
const PARTITIONED: Kind = {
  title: 'partitions in clusters of 4 KiB',
  partitions: PARTITIONS,
  make(maker) {
    const disk = Buffer.alloc(1024 * KIB);
    masterBootRecord(PARTITIONS).copy(disk);
    disk.fill(0x77, 300 * KIB, 400 * KIB);
    writeFileSync(maker.path('source'), disk);
    const options = ['-o', 'cluster_size=4k'];
    maker.img('convert', '-f', 'raw', '-O', 'qcow2', ...options, 'source', 'top.qcow2');
  },
  ...{ alignments: [1, 512, 4 * KIB], longest: 16 * KIB },
};

/** Kinds of other formats than qcow2, and of disks with partitions. */
export const FORMAT_KINDS: readonly Kind[] = [
  ...OTHERS.map(below),
  ...OTHERS.map(alone),
  inPlace('fixed VHD', 'vpc', 'vhd', 'subformat=fixed,force_size=on'),
  { ...inPlace('static VDI', 'vdi', 'vdi', 'static=on'), marks: true },
  PARTITIONED,
];
