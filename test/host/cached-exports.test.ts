import { closeSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cacheLayout } from '../../src/host/cache-layout.js';
import { PENDING } from '../../src/host/engine.js';
import type { Agreed } from '../../src/nbd/handshake.js';
import { ERRNO } from '../../src/util/errno.js';
import { Life } from '../helpers/cache-rig.js';
import { Dice } from '../helpers/nbd-model.js';
import {
  AGREED,
  bytes,
  FUA,
  memory,
  REQUESTS,
  Rig,
  SIZE,
  SLOT,
  WRITE_ZEROES,
} from '../helpers/nbd-rig.js';
import { tempFolder } from '../helpers/temp.js';

const PUNCH = 3;
const BLOCK = 4096;
const LAYOUT = cacheLayout(SIZE);

function cacheFile(t: ExecutionContext): { path: string; descriptor: number } {
  const path = join(tempFolder(t), 'cache');
  const descriptor = openSync(path, 'w+');
  t.teardown(() => closeSync(descriptor));
  ftruncateSync(descriptor, LAYOUT.fileSize);
  return { path, descriptor };
}

/** Blocks of which the file says that it has them. */
function noted(descriptor: number): number[] {
  const bits = new Uint8Array(LAYOUT.bitBytes);
  readSync(descriptor, bits, 0, bits.length, LAYOUT.bits);
  const blocks = Array.from({ length: LAYOUT.blocks }, (_, block) => block);
  return blocks.filter((block) => ((bits[block >> 3]! >> (block & 7)) & 1) === 1);
}

/** Whoever dies now, the file has nothing that the server does not have, and keep. */
function checkFile(descriptor: number, { server }: Rig): void {
  const data = Buffer.alloc(BLOCK);
  for (const block of noted(descriptor)) {
    readSync(descriptor, data, 0, BLOCK, LAYOUT.data + block * BLOCK);
    for (const one of [server.now, server.durable]) {
      const theirs = one.subarray(block * BLOCK, (block + 1) * BLOCK);
      if (!data.equals(theirs)) throw new Error(`block ${block} is not what the server has`);
    }
  }
}

interface Running {
  kind: 'read' | 'write' | 'zero' | 'flush';
  offset: number;
  length: number;
  byte: number;
  /** A change of the same bytes was under way. */
  isVague: boolean;
}

/** One life of random requests, with crashes of the server, that ends at any moment. @returns Reads that ended. */
function live(life: Life, model: Uint8Array, steps: number): number {
  const { rig, cached, results, file } = life;
  const { dice } = rig;
  const running = new Map<number, Running>();
  let reads = 0;
  const settle = (request: number, result: number): void => {
    const { kind, offset, length, byte, isVague } = running.get(request)!;
    running.delete(request);
    if (result < 0) throw new Error(`${kind} ended with ${result}`);
    if (kind === 'write' || kind === 'zero') {
      model.fill(kind === 'zero' ? 0 : byte, offset, offset + length);
    } else if (kind === 'read') {
      reads++;
      if (result !== length) throw new Error(`read ${result} of ${length}`);
      const got = bytes.subarray(request * SLOT, request * SLOT + length);
      const expected = Buffer.from(model.subarray(offset, offset + length));
      if (!isVague && !expected.equals(got)) throw new Error(`other bytes at ${offset}`);
    }
  };
  const begin = (): void => {
    const request = dice.below(REQUESTS);
    if (running.has(request)) return;
    const isWhole = dice.chance(60);
    const most = dice.chance(20) ? SLOT : 3 * BLOCK;
    const length = isWhole ? BLOCK * (1 + dice.below(most / BLOCK)) : 1 + dice.below(most);
    const anywhere = dice.below(SIZE - length + 1);
    const offset = isWhole ? anywhere - (anywhere % BLOCK) : anywhere;
    const kind = (['read', 'read', 'read', 'write', 'zero', 'flush'] as const)[dice.below(6)]!;
    const isChange = kind === 'write' || kind === 'zero';
    const others = [...running.values()].filter(
      (one) =>
        one.kind !== 'flush' && one.offset < offset + length && offset < one.offset + one.length,
    );
    const changes = others.filter((one) => one.kind !== 'read');
    if (isChange && changes.length > 0) return;
    if (isChange) for (const one of others) one.isVague = true;
    const byte = 1 + dice.below(255);
    running.set(request, { kind, offset, length, byte, isVague: changes.length > 0 });
    const at = memory.address + request * SLOT;
    if (kind === 'write') bytes.fill(byte, request * SLOT, request * SLOT + length);
    const begun = {
      read: () => cached.read(request, 0, at, length, offset, false),
      write: () => cached.write(request, 0, at, length, offset, false),
      zero: () => cached.allocate(request, 0, PUNCH, offset, length),
      flush: () => cached.flush(request, 0, false),
    }[kind]();
    if (begun !== PENDING) settle(request, begun);
  };
  for (let step = 0; step < steps; step++) {
    if (dice.chance(8)) begin();
    life.step();
    for (const [request, result] of results) settle(request, result);
    results.clear();
    if (rig.wanted && dice.chance(5)) rig.connect();
    if (dice.below(1000) === 0) rig.server.crash();
    if (dice.chance(5)) checkFile(file.descriptor, rig);
  }
  return reads;
}

test('a cache never has what its server has not, whoever is killed', (t) => {
  let reads = 0;
  let kept = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const dice = new Dice(seed);
    const { descriptor } = cacheFile(t);
    const agreed: Agreed = {
      ...AGREED,
      flags: dice.chance(25) ? FUA | WRITE_ZEROES : AGREED.flags,
      maximumPayload: dice.chance(60) ? 8192 : 32 << 20,
    };
    const connections = 1 + dice.below(3);
    let rig = new Rig(dice, agreed, connections);
    t.notThrows(() => {
      for (let lives = 0; lives < 3; lives++) {
        const life = new Life(rig, descriptor);
        life.file.percent = [5, 50, 100][dice.below(3)]!;
        if (lives === 2) life.file.room = LAYOUT.data + SIZE / 2;
        reads += live(life, rig.server.now.slice(), 2500);
        // What the kernel has already goes on without the process.
        for (const one of life.file.waiting) if (dice.chance(50)) life.file.make(one);
        checkFile(descriptor, rig);
        const { server } = rig;
        server.wires.clear();
        if (dice.chance(50)) server.crash();
        checkFile(descriptor, rig);
        kept += noted(descriptor).length;
        rig = new Rig(dice, agreed, connections, server);
        // As a mount begins.
        rig.flush();
      }
    }, `seed ${seed}`);
  }
  // It was about something.
  t.true(reads > 300, `${reads}`);
  t.true(kept > 50, `${kept}`);
});

test('what was read is not asked for again, in the next life neither', (t) => {
  const rig = new Rig(new Dice(1), AGREED);
  const { descriptor } = cacheFile(t);
  rig.server.now.fill(7);
  rig.server.durable.fill(7);
  const life = new Life(rig, descriptor);
  t.is(life.read(BLOCK, 3 * BLOCK), 3 * BLOCK);
  t.deepEqual(noted(descriptor), [1, 2, 3]);
  // Nobody but this test may do so: it shows where bytes come from.
  rig.server.now.fill(9);
  t.is(life.read(BLOCK + 10, 2 * BLOCK), 2 * BLOCK);
  t.true(bytes.subarray(0, 2 * BLOCK).every((byte) => byte === 7));
  t.is(life.read(0, 2 * BLOCK), 2 * BLOCK);
  t.is(bytes[2 * BLOCK - 1], 9);
  const next = new Life(rig, descriptor);
  t.is(next.read(3 * BLOCK, BLOCK), BLOCK);
  t.is(bytes[0], 7);
  // The end of the export is the end of a block.
  t.is(next.read(SIZE - 100, 200), 100);
  t.is(next.read(SIZE, 1), 0);
  t.deepEqual(next.cached.cacheOf(0), {
    ...{ path: 'cache', kept: 4 * BLOCK, fromCache: BLOCK, fromServer: 100, isGrowing: true },
  });
});

test('a block that is written leaves the cache, and comes back after a flush', (t) => {
  const rig = new Rig(new Dice(2), AGREED);
  const { descriptor } = cacheFile(t);
  const life = new Life(rig, descriptor);
  life.read(0, 4 * BLOCK);
  t.is(life.write(BLOCK + 5, 10, 3), 10);
  t.deepEqual(noted(descriptor), [0, 2, 3]);
  life.read(0, 4 * BLOCK);
  t.is(bytes[BLOCK + 5], 3);
  t.deepEqual(noted(descriptor), [0, 2, 3]);
  t.is(life.flush(), 0);
  life.read(BLOCK, BLOCK);
  t.deepEqual(noted(descriptor), [0, 1, 2, 3]);
  t.is(life.wait(0, life.cached.allocate(0, 0, PUNCH, 0, 2 * BLOCK)), 0);
  t.deepEqual(noted(descriptor), [2, 3]);
  t.is(life.write(SIZE, 1, 1), -ERRNO.ENOSPC);
  t.is(life.cached.resize(0, 0, 1), -ERRNO.EPERM);
});

test('nothing is sent before the file has forgotten a block, for another write neither', (t) => {
  const rig = new Rig(new Dice(6), AGREED);
  const { descriptor } = cacheFile(t);
  const life = new Life(rig, descriptor);
  const { file, cached } = life;
  life.read(0, BLOCK);
  file.percent = 0;
  bytes.fill(3);
  t.is(cached.write(1, 0, memory.address, 10, 0, false), PENDING);
  t.is(cached.write(2, 0, memory.address, 10, 20, false), PENDING);
  for (let step = 0; step < 500; step++) life.step();
  t.is(file.waiting.length, 2);
  t.deepEqual([rig.server.now[0], rig.server.now[20]], [0, 0]);
  file.percent = 100;
  t.is(life.wait(1, PENDING), 10);
  t.is(life.wait(2, PENDING), 10);
  t.deepEqual([rig.server.now[0], rig.server.now[20]], [3, 3]);
});

test('what was read before a write does not come after what was read behind it', (t) => {
  const rig = new Rig(new Dice(7), AGREED);
  const { descriptor } = cacheFile(t);
  const life = new Life(rig, descriptor);
  const { file, cached } = life;
  file.percent = 0;
  const at = memory.address + SLOT;
  t.is(cached.read(1, 0, at, BLOCK, 0, false), PENDING);
  for (let step = 0; file.waiting.length === 0 && step < 10_000; step++) life.step();
  t.is(life.write(0, BLOCK, 5), BLOCK);
  t.is(life.flush(), 0);
  // It does not wait for the first one, and is not kept.
  t.is(life.read(0, BLOCK), BLOCK);
  t.is(bytes[0], 5);
  file.percent = 100;
  t.is(life.wait(1, PENDING), BLOCK);
  t.deepEqual(noted(descriptor), []);
  t.is(life.read(0, BLOCK), BLOCK);
  t.deepEqual(noted(descriptor), [0]);
  checkFile(descriptor, rig);
});

test('a full disk ends the growing of a cache, and no request', (t) => {
  const rig = new Rig(new Dice(3), AGREED);
  const { descriptor } = cacheFile(t);
  const life = new Life(rig, descriptor);
  life.read(0, BLOCK);
  life.file.room = LAYOUT.data;
  t.is(life.read(BLOCK, BLOCK), BLOCK);
  t.is(life.read(2 * BLOCK, BLOCK), BLOCK);
  t.deepEqual(noted(descriptor), [0]);
  t.is(life.warnings.length, 1);
  t.regex(life.warnings[0]!, /^cache: no space is left.*: nothing more is kept in this cache$/);
  t.is(life.write(0, BLOCK, 5), BLOCK);
  t.deepEqual(noted(descriptor), []);
});

test('a cache whose bits cannot be written is emptied before the server is', (t) => {
  const rig = new Rig(new Dice(4), AGREED);
  const { path, descriptor } = cacheFile(t);
  const life = new Life(rig, descriptor);
  life.read(0, BLOCK);
  life.file.room = 0;
  t.is(life.write(0, BLOCK, 5), BLOCK);
  t.is(readFileSync(path).length, 0);
  t.is(life.read(0, BLOCK), BLOCK);
  t.is(bytes[0], 5);
});

test('a file that has lost its blocks is repaired by the server', (t) => {
  const rig = new Rig(new Dice(5), AGREED);
  const { descriptor } = cacheFile(t);
  rig.server.now.fill(7);
  rig.server.durable.fill(7);
  const life = new Life(rig, descriptor);
  life.read(0, 2 * BLOCK);
  ftruncateSync(descriptor, LAYOUT.data + BLOCK);
  bytes.fill(0);
  t.is(life.read(0, 2 * BLOCK), 2 * BLOCK);
  t.true(bytes.subarray(0, 2 * BLOCK).every((byte) => byte === 7));
  rig.server.now.fill(9);
  t.is(life.read(BLOCK, BLOCK), BLOCK);
  t.is(bytes[0], 7);
});
