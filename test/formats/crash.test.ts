import { constants, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Random } from '../../tools/exerciser/random.js';
import { FileAgent } from '../helpers/file-agent.js';
import { must, run } from '../helpers/run.js';
import { forceAway, startMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { qemuMountTest } from './needs.js';
import { Maker } from './variants.js';

/** SLUICE_CRASH_ROUNDS makes it the long run: 200. */
const ROUNDS = Number(process.env.SLUICE_CRASH_ROUNDS ?? 6);
const BLOCK = 4096;
const BLOCKS = 8192;

const KINDS: readonly string[] = ['', 'cluster_size=4k', 'cluster_size=2M', 'extended_l2=on'];

/** A block that says which it is and which write of it this was. */
function stamp(block: number, version: number): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 8) {
    bytes.writeUInt32LE(block, at);
    bytes.writeUInt32LE(version, at + 4);
  }
  return bytes;
}

/** Writes blocks and syncs now and then until killed; what was acknowledged is known. */
async function load(agent: FileAgent, path: string, random: Random, synced: Int32Array) {
  const written = new Int32Array(BLOCKS);
  const fd = await agent.open(path, constants.O_RDWR | constants.O_DIRECT);
  const writes = 20 + random.below(400);
  for (let i = 1; i <= writes; i++) {
    const block = random.below(BLOCKS);
    if ((await agent.write(fd, block * BLOCK, stamp(block, i))) !== BLOCK) return;
    written[block] = i;
    if (random.below(12) !== 0) continue;
    const before = written.slice();
    if ((await agent.result({ call: 'fsync', fd })) !== 0) return;
    synced.set(before);
  }
}

function checkContent(t: ExecutionContext, raw: Buffer, synced: Int32Array): void {
  for (let block = 0; block < BLOCKS; block++) {
    const bytes = raw.subarray(block * BLOCK, (block + 1) * BLOCK);
    const version = bytes.readUInt32LE(4);
    const expected = version === 0 ? Buffer.alloc(BLOCK) : stamp(block, version);
    if (!bytes.equals(expected) || version < synced[block]!) {
      t.fail(`block ${block} has write ${version}; synced was ${synced[block]}`);
      return;
    }
  }
  t.pass();
}

/**
 * qemu-img check, once the dead daemon's locks are gone: the kernel closes what a ring holds some
 * time after its process.
 */
async function checkWhenReleased(image: string) {
  const check = () => run('qemu-img', ['check', '-f', 'qcow2', image]);
  let result = await check();
  for (let tries = 0; tries < 50 && result.stderr.includes('Failed to get'); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    result = await check();
  }
  return result;
}

for (let round = 0; round < ROUNDS; round++) {
  const kind = KINDS[round % KINDS.length]!;
  qemuMountTest(`killed under load, nothing synced is lost: seed ${round} ${kind}`, async (t) => {
    const random = new Random(round, 1);
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.create('top.qcow2', '32M', kind);
    const image = maker.path('top.qcow2');
    const mount = await startMount(t, [image]);
    const synced = new Int32Array(BLOCKS);
    const agent = new FileAgent(t);
    const loading = load(agent, mount.file('top'), random, synced).catch(() => {});
    const timer = new Promise((resolve) => setTimeout(resolve, 20 + random.below(300)));
    await Promise.race([loading, timer]);
    process.kill(mount.pid, 'SIGKILL');
    await forceAway(mount.point);
    await loading;
    const check = await checkWhenReleased(image);
    // 3: leaked clusters and nothing else.
    t.true(check.code === 0 || check.code === 3, check.stdout + check.stderr);
    await must('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, maker.path('raw')]);
    checkContent(t, readFileSync(maker.path('raw')), synced);
  });
}
