import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import type { WritableFile } from '../../../src/host/open-file.js';
import { openChain } from '../../../src/image/open-chain.js';
import type { QcowImage } from '../../../src/image/qcow2/open-image.js';
import { parseHeader } from '../../../src/image/qcow2/parse-header.js';
import { rebuildRefcounts } from '../../../src/image/qcow2/rebuild-refcounts.js';
import type { Snapshot } from '../../../src/image/qcow2/snapshots.js';
import { SluiceError } from '../../../src/util/errors.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';

const DIRTY_BYTE = 79;

/** An image in memory. After `writesLeft` writes every further write fails. */
class MemoryFile implements WritableFile {
  readonly path = 'vm';
  #memory: Buffer;
  #size: number;
  allocated: number;
  writesLeft = Number.POSITIVE_INFINITY;
  writes = 0;

  constructor(bytes: Buffer) {
    this.#memory = Buffer.from(bytes);
    this.#size = bytes.length;
    this.allocated = bytes.length;
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#size);
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    bytes.set(this.bytes.subarray(offset, offset + length));
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void {
    if (this.writesLeft-- <= 0) throw new Error('the host is gone');
    this.writes++;
    const end = offset + bytes.length;
    if (end > this.#memory.length) this.#memory = Buffer.concat([this.#memory], 2 * end);
    this.#size = Math.max(this.#size, end);
    this.#memory.set(bytes, offset);
  }

  sync(): void {}
}

function rebuild(file: MemoryFile, snapshots: readonly Snapshot[], windowClusters?: number): void {
  const layout = parseHeader('vm', file.bytes);
  for (const part of rebuildRefcounts(file, layout, snapshots, windowClusters)) {
    if (!(part >= 0 && part <= 1)) throw new Error(`progress ${part}`);
  }
}

function snapshotsOf(maker: Maker): readonly Snapshot[] {
  const path = maker.path('top.qcow2');
  const chain = openChain(path, { format: 'qcow2', backingFormats: [], snapshot: null });
  const { snapshots } = (chain.layers[0]!.image as QcowImage).part;
  chain.close();
  return snapshots;
}

const u64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64BE(at));

/** The place of the refcount table, its bytes, and the offsets of the blocks. */
function refcountsOf(bytes: Buffer) {
  const at = u64(bytes, 48);
  const size = bytes.readUInt32BE(56) * 2 ** bytes.readUInt32BE(20);
  const blocks: number[] = [];
  for (let i = 0; i < size; i += 8) if (u64(bytes, at + i) > 0) blocks.push(u64(bytes, at + i));
  return { at, size, blocks, clusterBytes: 2 ** bytes.readUInt32BE(20) };
}

/** Kinds of damage to refcounts. */
const DAMAGE: Record<string, (bytes: Buffer) => void> = {
  'all refcounts are 0'(bytes) {
    const { blocks, clusterBytes } = refcountsOf(bytes);
    for (const block of blocks) bytes.fill(0, block, block + clusterBytes);
  },
  'all refcounts are set'(bytes) {
    const { blocks, clusterBytes } = refcountsOf(bytes);
    for (const block of blocks) bytes.fill(255, block, block + clusterBytes);
  },
  'no block is there'(bytes) {
    const { at, size } = refcountsOf(bytes);
    bytes.fill(0, at, at + size);
  },
  'the table is cut to a cluster'(bytes) {
    const { at, size } = refcountsOf(bytes);
    bytes.fill(0, at, at + size);
    bytes.writeUInt32BE(1, 56);
  },
  'the marks in the tables are turned over'(bytes) {
    const { clusterBytes } = refcountsOf(bytes);
    const extended = (bytes[79]! & 16) !== 0;
    const l1 = u64(bytes, 40);
    for (let i = 0; i < bytes.readUInt32BE(36); i++) {
      const l2 = Number(bytes.readBigUInt64BE(l1 + i * 8) & 0x00ffff_ffff_fffe00n);
      if (l2 === 0) continue;
      bytes[l1 + i * 8]! ^= 0x80;
      for (let at = l2; at < l2 + clusterBytes; at += extended ? 16 : 8) {
        const isPlain = (bytes[at]! & 0x40) === 0 && bytes.readBigUInt64BE(at) > 1n;
        if (isPlain) bytes[at]! ^= 0x80;
      }
    }
  },
};

const KINDS: Record<string, (maker: Maker) => void> = {
  'an ordinary image'(maker) {
    maker.create('top.qcow2', '8M');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 3M', 'write -z 4M 1M');
  },
  'clusters of 512 bytes, behind 8 MiB'(maker) {
    maker.create('top.qcow2', '12M', 'cluster_size=512');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 10M');
  },
  'refcounts of 64 bits in clusters of 512 bytes'(maker) {
    maker.create('top.qcow2', '4M', 'cluster_size=512,refcount_bits=64');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 3M');
  },
  'refcounts of one bit'(maker) {
    maker.create('top.qcow2', '8M', 'cluster_size=4k,refcount_bits=1');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 3M');
  },
  'compressed clusters'(maker) {
    maker.raw('raw', 4 << 20);
    maker.io('raw', 'raw', 'write -P 7 100k 3M');
    maker.img('convert', '-c', '-O', 'qcow2', '-o', 'cluster_size=16k', 'raw', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'write -P 8 1M 40k');
  },
  'snapshots with clusters of their own'(maker) {
    maker.create('top.qcow2', '8M', 'cluster_size=4k');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 5M');
    maker.img('snapshot', '-c', 'one', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'write -P 2 1M 2M');
    maker.img('snapshot', '-c', 'two', 'top.qcow2');
    maker.io('top.qcow2', 'qcow2', 'write -P 3 2M 3M');
  },
  subclusters(maker) {
    maker.create('top.qcow2', '8M', 'extended_l2=on,cluster_size=16k');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 1k 3M', 'write -z 4M 1M', 'write -P 2 5M 2k');
  },
  'zero clusters with a place'(maker) {
    maker.create('top.qcow2', '8M', 'preallocation=metadata');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 1M 1M');
  },
};

/** Images that were rebuilt: what was done, and the result. */
type Rebuilt = readonly (readonly [what: string, bytes: Buffer])[];

/** Each image must be sound, by one shell for all, because starting qemu-img takes longer than it does. */
function checkAll(t: ExecutionContext, maker: Maker, all: Rebuilt, expected?: string): void {
  const names = all.map(([what, bytes], index) => {
    t.is(bytes[DIRTY_BYTE]! & 1, 0, `${what}: the dirty bit is cleared`);
    const name = `rebuilt${index}`;
    writeFileSync(maker.path(name), bytes);
    return name;
  });
  const compare = expected === undefined ? '' : `qemu-img compare -f raw -F qcow2 ${expected} "$i"`;
  const script = `for i; do qemu-img check -f qcow2 "$i" && ${compare || 'true'} || exit 1; done`;
  execFileSync('sh', ['-c', script, 'check', ...names], { cwd: maker.folder });
}

for (const [kind, make] of Object.entries(KINDS)) {
  qemuTest(`refcounts are rebuilt, whatever has happened to them: ${kind}`, (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    make(maker);
    maker.img('convert', '-f', 'qcow2', '-O', 'raw', 'top.qcow2', 'expected');
    const snapshots = snapshotsOf(maker);
    const made = readFileSync(maker.path('top.qcow2'));
    const all = Object.entries(DAMAGE).flatMap(([damage, hurt]) => {
      const bytes = Buffer.from(made);
      hurt(bytes);
      bytes[DIRTY_BYTE]! |= 1;
      const perBlock = (2 ** bytes.readUInt32BE(20) * 8) / 2 ** bytes.readUInt32BE(96);
      return [undefined, perBlock].map((window) => {
        const file = new MemoryFile(bytes);
        rebuild(file, snapshots, window);
        return [`${damage}, window ${window}`, file.bytes] as const;
      });
    });
    checkAll(t, maker, all, 'expected');
  });
}

qemuTest('a repair that ends at any write is made good by the next one', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  KINDS['snapshots with clusters of their own']!(maker);
  const snapshots = snapshotsOf(maker);
  const bytes = readFileSync(maker.path('top.qcow2'));
  for (const damage of ['no block is there', 'the marks in the tables are turned over']) {
    const hurt = Buffer.from(bytes);
    DAMAGE[damage]!(hurt);
    hurt[DIRTY_BYTE]! |= 1;
    const whole = new MemoryFile(hurt);
    rebuild(whole, snapshots);
    const all: [string, Buffer][] = [];
    for (let writes = 0; writes < whole.writes; writes++) {
      const file = new MemoryFile(hurt);
      file.writesLeft = writes;
      t.throws(() => rebuild(file, snapshots), { message: 'the host is gone' });
      t.is(file.bytes[DIRTY_BYTE]! & 1, 1, 'still marked');
      file.writesLeft = Number.POSITIVE_INFINITY;
      rebuild(file, snapshots);
      all.push([`${damage}, ${writes} writes`, file.bytes]);
    }
    checkAll(t, maker, all);
  }
});

/** Broken images: name, damage, and the expected message. They must not be written. */
const HOSTILE: [string, (bytes: Buffer, l2: number) => void, RegExp][] = [
  ['data over an L2 table', (b, l2) => b.writeBigUInt64BE(BigInt(l2), l2 + 8), /overlaps at/],
  [
    'data over the L1 table',
    (b, l2) => b.writeBigUInt64BE(b.readBigUInt64BE(40), l2 + 8),
    /overlaps at/,
  ],
  [
    'data over the refcounts',
    (b, l2) => b.writeBigUInt64BE(b.readBigUInt64BE(48), l2 + 8),
    /overlaps at/,
  ],
  ['data behind the file', (b, l2) => b.writeBigUInt64BE(1n << 40n, l2 + 8), /behind the end/],
  [
    'data that is no cluster',
    (b, l2) => b.writeBigUInt64BE(0x200n, l2 + 8),
    /entry 1 of the L2 table/,
  ],
  [
    'a compressed cluster behind the file',
    (b, l2) => b.writeBigUInt64BE((1n << 62n) | (1n << 40n), l2 + 8),
    /behind the end/,
  ],
  [
    'a compressed cluster over the header',
    (b, l2) => b.writeBigUInt64BE((1n << 62n) | 100n, l2 + 8),
    /overlaps at 0/,
  ],
  [
    'an L2 table over the L1 table',
    (b) => b.writeBigUInt64BE(b.readBigUInt64BE(40), u64(b, 40)),
    /overlaps at/,
  ],
  ['an L2 table behind the file', (b) => b.writeBigUInt64BE(1n << 40n, u64(b, 40)), /L1 entry 0/],
  [
    'a table of refcounts over the L1 table',
    (b) => b.writeBigUInt64BE(b.readBigUInt64BE(40), 48),
    /overlaps at/,
  ],
  [
    'a block of refcounts over the header',
    (b) => b.writeBigUInt64BE(0x200n, u64(b, 48)),
    /refcount table entry 0/,
  ],
  [
    'a block of refcounts behind the file',
    (b) => b.writeBigUInt64BE(1n << 40n, u64(b, 48)),
    /refcount table entry 0/,
  ],
];

let hostile: Buffer | null = null;

/** The image that each of them damages. */
function hostileImage(t: ExecutionContext): Buffer {
  if (hostile === null) {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '8M');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 3M');
    hostile = readFileSync(maker.path('top.qcow2'));
  }
  return Buffer.from(hostile);
}

for (const [title, hurt, says] of HOSTILE) {
  qemuTest(`a dirty image is refused: ${title}`, (t) => {
    const bytes = hostileImage(t);
    const l2 = Number(bytes.readBigUInt64BE(u64(bytes, 40)) & 0x00ffff_ffff_fffe00n);
    bytes[DIRTY_BYTE]! |= 1;
    hurt(bytes, l2);
    const file = new MemoryFile(bytes);
    const error = t.throws(() => rebuild(file, []), { instanceOf: SluiceError });
    t.regex(error?.message ?? '', says);
    t.is(error?.exitCode, 3);
    t.is(file.writes, 0);
  });
}

/** A file of many TiB that takes no room: an image followed by holes. */
class SparseFile extends MemoryFile {
  override get size(): number {
    return 2 ** 47;
  }
  override read(offset: number, length: number): Uint8Array {
    return offset < this.bytes.length ? super.read(offset, length) : new Uint8Array(length);
  }
}

test('an image of holes cannot make us write more than it takes', (t) => {
  // The entries of the L2 table refer to clusters 2 GiB apart: each needs a refcount block of its own.
  const clusterBytes = 65536;
  const head = Buffer.alloc(clusterBytes * 12);
  head.write('514649fb', 0, 'hex');
  head.writeUInt32BE(3, 4);
  head.writeUInt32BE(16, 20);
  head.writeBigUInt64BE(8n << 30n, 24);
  head.writeUInt32BE(16, 36);
  head.writeBigUInt64BE(0x10000n, 40);
  head.writeBigUInt64BE(0x20000n, 48);
  head.writeUInt32BE(8, 56);
  head.writeBigUInt64BE(1n, 72);
  head.writeUInt32BE(4, 96);
  head.writeUInt32BE(104, 100);
  head.writeBigUInt64BE(0xa0000n, 0x10000);
  for (let i = 0; i < 8192; i++) head.writeBigUInt64BE(BigInt(i + 1) << 31n, 0xa0000 + i * 8);
  const file = new SparseFile(head);
  const error = t.throws(() => rebuild(file, []), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', /its holes are too many to rebuild the refcounts here/);
  t.is(file.writes, 0);
});
