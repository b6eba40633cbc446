import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEADER_CLUSTER_BITS } from '../../src/image/qcow2/abi.js';
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
  return [...images, RAW];
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
