import { constants, mkdirSync, readFileSync } from 'node:fs';
import { Maker } from '../../tools/lib/image-maker.js';
import { FileAgent } from '../helpers/file-agent.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuMountTest } from './needs.js';

const EIO = 5;
const CLUSTER = 65_536;

/** Makes an image of 64 KiB clusters. Returns the offsets of its L1 table and first L2 table. */
function makeImage(maker: Maker): { l1: number; l2: number } {
  maker.create('top.qcow2', '4M');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 256k');
  const bytes = readFileSync(maker.path('top.qcow2'));
  const l1 = Number(bytes.readBigUInt64BE(40));
  return { l1, l2: Number(bytes.readBigUInt64BE(l1) & 0x00fffffffffffe00n) };
}

function entry(offset: number, flags = 1n << 63n): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(offset) | flags);
  return bytes;
}

/** Overwrites bytes of a file. */
function put(maker: Maker, offset: number, bytes: Buffer): void {
  for (const [index, byte] of bytes.entries()) maker.poke('top.qcow2', offset + index, byte);
}

for (const [title, offset] of [
  ['nothing, behind the end of the file', 2 ** 32],
  ['the refcount table', CLUSTER],
  ['a refcount block', 2 * CLUSTER],
  ['the L1 table', 3 * CLUSTER],
  ['an L2 table', 4 * CLUSTER],
] as const) {
  qemuMountTest(`data that claims to lie in ${title} is not written: EIO`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    const { l2 } = makeImage(maker);
    t.is(l2, 4 * CLUSTER);
    put(maker, l2 + 8, entry(offset));
    const image = maker.path('top.qcow2');
    const before = readFileSync(image).subarray(0, 4 * CLUSTER);
    const agent = new FileAgent(t);
    await withMount(
      t,
      [image],
      [],
      async (mount) => {
        const fd = await agent.open(mount.file('top'), constants.O_RDWR);
        t.is(await agent.write(fd, CLUSTER, Buffer.alloc(4096, 9)), -EIO);
        t.is(await agent.write(fd, CLUSTER + 100, Buffer.alloc(100, 9)), -EIO);
        t.is(await agent.write(fd, 2 * CLUSTER, Buffer.alloc(4096, 9)), 4096);
        await agent.close(fd);
      },
      /top: WRITE: .*\(EIO\)/,
    );
    t.true(before.equals(readFileSync(image).subarray(0, 4 * CLUSTER)));
  });
}

for (const [title, at, says] of [
  ['an L2 table in the refcount table', (l1: number) => [l1, entry(CLUSTER)], /metadata overlaps/],
  ['two L2 tables that are one', (l1: number) => [l1 + 8, entry(4 * CLUSTER)], /metadata overlaps/],
  ['an L2 table behind the end', (l1: number) => [l1, entry(2 ** 40)], /L1 entry 0 is broken/],
  ['an L1 table behind the end', () => [40, entry(2 ** 40, 0n)], /behind the end of the file/],
  ['refcounts behind the end', () => [48, entry(2 ** 40, 0n)], /behind the end of the file/],
] as const) {
  qemuMountTest(`${title}: refused for writing, and left as it is`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '1G');
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 256k');
    const image = maker.path('top.qcow2');
    const l1 = Number(readFileSync(image).readBigUInt64BE(40));
    const [offset, bytes] = at(l1) as [number, Buffer];
    put(maker, offset, bytes);
    const before = readFileSync(image);
    mkdirSync(maker.path('mnt'));
    const ended = await warmSluice(['mount', image, maker.path('mnt')]);
    t.is(ended.code, 3);
    t.regex(ended.stderr, says);
    t.true(before.equals(readFileSync(image)));
  });
}
