import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../exerciser/random.js';

/** The images to mutate: options of qemu-img create, commands of qemu-io. */
const KINDS: readonly { options: string; compress?: boolean; snapshot?: boolean }[] = [
  { options: 'cluster_size=512', snapshot: true },
  { options: 'cluster_size=64k', snapshot: true },
  { options: 'compat=0.10', snapshot: true },
  { options: 'extended_l2=on,cluster_size=16k', snapshot: true },
  { options: 'data_file=data.bin' },
  { options: 'compression_type=zstd', snapshot: true },
  { options: 'cluster_size=4k,refcount_bits=1' },
  { options: 'cluster_size=4k,refcount_bits=64', compress: true },
  { options: 'cluster_size=64k,lazy_refcounts=on', compress: true },
];

const WRITES = ['write -P 1 0 1M', 'write -P 2 4M 300k', 'write -z 2M 64k', 'discard 512k 64k'];

/** Makes the images in a folder; returns their bytes. */
export function makeSeeds(folder: string): Buffer[] {
  return KINDS.map(({ options, compress, snapshot }, index) => {
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
}

const EDGES = [0, 1, 0x7f, 0x80, 0xff];

/** Changes some bytes, most of them in the first clusters, where headers and tables are. */
export function mutate(seed: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(seed);
  const count = 1 + random.below(8);
  for (let i = 0; i < count; i++) {
    const span = random.below(2) === 0 ? 160 : bytes.length;
    const at = random.below(Math.min(span, bytes.length));
    bytes[at] = random.below(2) === 0 ? EDGES[random.below(EDGES.length)]! : random.below(256);
  }
  return random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/**
 * Changes tables rather than the header, so that most images still open. Entries then refer to other
 * places, tables, each other's clusters, or past the end.
 */
export function mutateTables(seed: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(seed);
  const clusterBytes = 2 ** bytes.readUInt32BE(20);
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
