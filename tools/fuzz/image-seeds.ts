import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEADER_CLUSTER_BITS, MAGIC } from '../../src/image/qcow2/abi.js';
import { crc32c } from '../../src/image/vhdx/crc32c.js';
import type { Random } from '../exerciser/random.js';

/** The images to mutate: options of qemu-img create, commands of qemu-io. */
const KINDS: readonly { options: string; compress?: boolean; snapshot?: boolean }[] = [
  { options: 'cluster_size=512', snapshot: true },
  { options: 'cluster_size=64k', snapshot: true },
  { options: 'compat=0.10', snapshot: true },
  { options: 'extended_l2=on,cluster_size=16k', snapshot: true },
  { options: 'data_file=data.bin' },
  { options: 'backing_file=seed0.qcow2,backing_fmt=qcow2' },
  { options: 'compression_type=zstd', snapshot: true },
  { options: 'cluster_size=4k,refcount_bits=1' },
  { options: 'cluster_size=4k,refcount_bits=64', compress: true },
  { options: 'cluster_size=64k,lazy_refcounts=on', compress: true },
];

const WRITES = ['write -P 1 0 192k', 'write -P 2 4M 70k', 'write -z 2M 64k', 'discard 128k 64k'];
/** Images of other formats, with blocks that are small enough for a seed. */
const OTHERS: readonly { format: string; options?: string }[] = [
  { format: 'vpc', options: 'force_size=on' },
  { format: 'vpc', options: 'subformat=fixed,force_size=on' },
  { format: 'vhdx', options: 'block_size=1M' },
  { format: 'vdi' },
  { format: 'parallels', options: 'cluster_size=64k' },
  { format: 'qcow' },
  { format: 'qed', options: 'cluster_size=4k,table_size=2' },
];
/** A raw image has no structure. Its first bytes may be those of another format. */
const RAW = Buffer.alloc(65536, 5);

/** Makes the images in a folder; returns their bytes. */
export function makeSeeds(folder: string): Buffer[] {
  const images = KINDS.map(({ options, compress, snapshot }, index) => {
    const name = `seed${index}.qcow2`;
    const run = (program: string, ...list: string[]) => {
      execFileSync(program, list, { cwd: folder, stdio: 'ignore' });
    };
    run('qemu-img', 'create', '-f', 'qcow2', '-o', options, name, '8M');
    run('qemu-io', ...WRITES.flatMap((write) => ['-c', write]), name);
    if (compress === true) run('qemu-io', '-c', 'write -c -P 3 6M 64k', name);
    if (snapshot === true) {
      run('qemu-img', 'snapshot', '-c', 'one', name);
      run('qemu-io', '-c', 'write -P 4 128k 64k', name);
    }
    return readFileSync(join(folder, name));
  });
  const others = OTHERS.map(({ format, options }, index) => {
    const name = `other${index}`;
    const run = (program: string, ...list: string[]) => {
      execFileSync(program, list, { cwd: folder, stdio: 'ignore' });
    };
    const words = options === undefined ? [] : ['-o', options];
    run('qemu-img', 'create', '-q', '-f', format, ...words, name, '1M');
    run('qemu-io', '-f', format, '-c', 'write -P 1 4k 12k', '-c', 'write -P 2 80k 4k', name);
    return readFileSync(join(folder, name));
  });
  return [...images, ...others, RAW];
}

/** Ranges in which the formats have headers and tables; a negative one counts from the end. */
const FIELDS = [
  [0, 1600],
  [-512, 0],
  [64 << 10, (64 << 10) + 80],
  [192 << 10, (192 << 10) + 80],
  [1 << 20, (1 << 20) + 64],
  [2 << 20, (2 << 20) + 64],
  [3 << 20, (3 << 20) + 256],
] as const;

/** Changes fields of images that are not qcow2, and makes the checksums right again. */
function mutateFields(bytes: Buffer, random: Random): Buffer {
  const isBig = random.oneIn(2);
  for (let i = 1 + random.below(4); i > 0; i--) {
    const [from, end] = FIELDS[random.below(FIELDS.length)]!;
    const start = from < 0 ? bytes.length + from : from;
    const at = start + random.below((end - from) / 4) * 4;
    if (at + 4 > bytes.length) continue;
    const near = random.below(Math.ceil(bytes.length / 512) + 2);
    const value = [0, 1, near, near << 20, 0xffffffff, bytes.readUInt32BE(at) ^ 1][
      random.below(6)
    ]!;
    if (isBig) bytes.writeUInt32BE(value >>> 0, at);
    else bytes.writeUInt32LE(value >>> 0, at);
  }
  sealVhd(bytes);
  sealVhdx(bytes);
  return bytes;
}

/** Complements of sums, where a footer or a header of VHD is. */
function sealVhd(bytes: Buffer): void {
  for (const [at, length, field, cookie] of [
    [0, 512, 64, 'conectix'],
    [bytes.length - 512, 512, 64, 'conectix'],
    [512, 1024, 36, 'cxsparse'],
  ] as const) {
    if (bytes.subarray(at, at + 8).toString('latin1') !== cookie) continue;
    bytes.writeUInt32BE(0, at + field);
    const sum = bytes.subarray(at, at + length).reduce((total, byte) => total + byte, 0);
    bytes.writeUInt32BE(~sum >>> 0, at + field);
  }
}

/** CRC-32C of the headers and region tables of VHDX. */
function sealVhdx(bytes: Buffer): void {
  if (bytes.subarray(0, 8).toString('latin1') !== 'vhdxfile') return;
  for (const [at, length] of [
    [64 << 10, 4096],
    [128 << 10, 4096],
    [192 << 10, 64 << 10],
    [256 << 10, 64 << 10],
  ] as const) {
    bytes.writeUInt32LE(crc32c(bytes.subarray(at, at + length), 4), at + 4);
  }
}

/** The low byte of this field of the header. */
const CLUSTER_BITS = HEADER_CLUSTER_BITS + 3;
const SMALLEST = 1024;

/**
 * Changes tables rather than the header, so that most images still open. Entries then refer to other
 * places, tables, each other's clusters, or past the end.
 */
export function mutateTables(seed: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(seed);
  if (bytes.length < SMALLEST) return bytes;
  if (bytes.readUInt32BE(0) !== MAGIC) return mutateFields(bytes, random);
  const clusterBytes = 2 ** Math.max(9, bytes[CLUSTER_BITS]! & 15);
  if (bytes.length < 2 * clusterBytes) return bytes;
  const count = 1 + random.below(4);
  for (let i = 0; i < count; i++) {
    const at = clusterBytes + random.below((bytes.length - clusterBytes) / 8 - 1) * 8;
    // A nonzero value is likely to be an entry.
    if (bytes.readUInt32BE(at) === 0 && bytes.readUInt32BE(at + 4) === 0 && !random.oneIn(8)) {
      i -= random.oneIn(64) ? 0 : 1;
      continue;
    }
    const cluster = random.below(Math.ceil(bytes.length / clusterBytes) + 2) * clusterBytes;
    const flags = [0, 0x80000000, 0x40000000, 0xc0000000][random.below(4)]!;
    bytes.writeUInt32BE((flags | (random.oneIn(8) ? random.below(0x1000000) : 0)) >>> 0, at);
    bytes.writeUInt32BE((cluster + (random.oneIn(8) ? random.below(512) : 0)) >>> 0, at + 4);
  }
  return bytes;
}
