import test from 'ava';
import { difference, sameBytes } from '../helpers/same-bytes.js';
import { pattern } from '../helpers/temp.js';
import {
  allocateBody,
  Bench,
  type BenchOptions,
  DISK,
  FALLOCATE,
  ioBody,
  READ,
  WRITE,
  writeBody,
} from './bench.js';

const EINTR = 4;
const SECOND = 1e9;
const HOST = new Uint8Array(pattern(1 << 20, 7));
const PAYLOAD = new Uint8Array(pattern(1 << 20, 99));

/**
 * Two disks. The first one is in a group of 10 requests a second, whose first request has passed already,
 * so the next ones pass at 1.1 s (10 ms early: the allowance), 1.2 s and so on after `nowNs`.
 */
function throttled(options: Partial<BenchOptions> = {}): Bench {
  const bench = new Bench({ contents: [HOST, HOST], ...options });
  const slow = bench.throttle.createGroup('slow');
  bench.throttle.setLimits(slow, { iops: 10 }, bench.nowNs);
  bench.throttle.moveMember(bench.disks[0]!.member, slow, bench.nowNs);
  return bench;
}

function stats(bench: Bench): {
  rios: number;
  wios: number;
  dios: number;
  queued: number;
  inflight: number;
} {
  const { rios, wios, dios, queued, inflight } = bench.throttle.memberStats(bench.disks[0]!.member);
  return { rios, wios, dios, queued, inflight };
}

test('a waiting read holds neither slot nor payload, and goes when its group lets it', (t) => {
  const bench = throttled();
  const read = bench.read(0, 4096);
  t.is(bench.memory.freeSlots, 288);
  t.is(bench.plane.pooled, 0);
  t.is(bench.inFlight, 0);
  t.is(bench.plane.wakeAtNs, 1.09 * SECOND);
  bench.turn(1.08 * SECOND);
  t.is(bench.pending(), '');
  bench.turn(1.09 * SECOND);
  t.is(bench.pending(), 'read+reply');
  t.is(bench.inFlight, 1);
  bench.run();
  sameBytes(t, bench.reply(read).payload, HOST.slice(0, 4096));
  t.deepEqual(stats(bench), { rios: 1, wios: 0, dios: 0, queued: 0, inflight: 0 });
  bench.assertIdle();
});

for (const alignment of [1, 512, 4096]) {
  test(`alignment ${alignment}: the payload of a waiting write is moved and intact`, (t) => {
    const bench = throttled({ alignment });
    const ids = [1, 100, 4096, 4097, 65536, 300_000].map((length) =>
      bench.write(length, PAYLOAD.slice(0, length)),
    );
    t.is(bench.memory.freeSlots, 288);
    t.is(bench.plane.pooled, 6);
    // Other requests use the slots meanwhile.
    for (let i = 0; i < 40; i++) {
      const id = bench.write(0, PAYLOAD.slice(i, i + 65536), DISK + 1);
      t.is(bench.written(id), 65536);
    }
    bench.turn(10 * SECOND);
    bench.run();
    for (let at = 0; bench.plane.wakeAtNs !== Infinity && at < 20; at++) {
      bench.turn(bench.plane.wakeAtNs);
      bench.run();
    }
    const expected = HOST.slice();
    for (const length of [1, 100, 4096, 4097, 65536, 300_000]) {
      expected.set(PAYLOAD.slice(0, length), length);
    }
    t.is(Buffer.compare(bench.host.files[0]!.content, expected), 0);
    for (const id of ids) t.is(bench.reply(id).error, 0);
    bench.assertIdle();
  });
}

test('an interrupted request that waits ends with EINTR at once and is charged nothing', (t) => {
  const bench = throttled();
  const read = bench.read(0, 4096);
  const write = bench.write(0, PAYLOAD.slice(0, 4096));
  const zero = bench.send(FALLOCATE, DISK, allocateBody(17, 0, 4096));
  t.is(stats(bench).queued, 3);
  for (const id of [write, zero, read]) bench.interrupt(id);
  bench.run();
  for (const id of [read, write, zero])
    t.deepEqual(bench.reply(id), { error: -EINTR, payload: new Uint8Array() });
  t.deepEqual(stats(bench), { rios: 0, wios: 0, dios: 0, queued: 0, inflight: 0 });
  t.is(bench.plane.wakeAtNs, Infinity);
  t.is(difference(bench.host.files[0]!.content, HOST), null);
  bench.assertIdle();
});

test('a signal that does not kill leaves a waiting request its place', (t) => {
  const bench = throttled();
  bench.isBeingKilled = false;
  const [first, second] = [bench.read(0, 512), bench.read(512, 512)];
  bench.interrupt(first);
  // Its caller is checked again every 100 ms, without effect.
  t.is(bench.plane.wakeAtNs, SECOND + 0.09 * SECOND);
  bench.turn(1.09 * SECOND);
  bench.run();
  sameBytes(t, bench.reply(first).payload, HOST.slice(0, 512));
  bench.turn(1.19 * SECOND);
  bench.run();
  t.is(bench.reply(second).error, 0);
  bench.turn(2 * SECOND);
  t.is(bench.plane.wakeAtNs, Infinity);
  t.deepEqual(stats(bench), { rios: 2, wios: 0, dios: 0, queued: 0, inflight: 0 });
  bench.assertIdle();
});

test('a caller that is killed after another signal is noticed within 100 ms', (t) => {
  const bench = throttled();
  const reads = Array.from({ length: 64 }, (_, i) => bench.read(i * 512, 512));
  bench.isBeingKilled = false;
  for (const id of reads) bench.interrupt(id);
  bench.run();
  t.is(stats(bench).queued, 64);
  bench.isBeingKilled = true;
  bench.turn(1.1 * SECOND);
  bench.run();
  t.is(stats(bench).queued, 0);
  t.deepEqual(
    reads.map((id) => bench.reply(id).error),
    Array(64).fill(-EINTR),
  );
  t.is(bench.plane.wakeAtNs, Infinity);
  bench.assertIdle();
});

test('after an interrupt those behind it go when they would have gone without it', (t) => {
  const bench = throttled();
  const [first, second, third] = [bench.read(0, 512), bench.read(512, 512), bench.read(1024, 512)];
  bench.interrupt(second);
  bench.turn(1.09 * SECOND);
  bench.turn(1.19 * SECOND);
  bench.run();
  t.is(bench.reply(first).error, 0);
  t.is(bench.reply(second).error, -EINTR);
  t.is(bench.reply(third).error, 0);
  bench.assertIdle();
});

test('an interrupt of what is in flight, answered or unknown changes nothing', (t) => {
  const bench = throttled();
  const flying = bench.read(0, 512, DISK + 1);
  bench.interrupt(flying);
  t.is(bench.pending(), 'read+reply');
  bench.run();
  t.is(bench.reply(flying).error, 0);
  bench.interrupt(flying);
  bench.interrupt(424242);
  bench.run();
  bench.assertIdle();
});

test('ids that meet in one bucket of the index are told apart, and forgotten when they go', (t) => {
  const bench = throttled();
  const gone = bench.read(0, 512);
  bench.turn(2 * SECOND);
  bench.run();
  bench.unique = gone + 8190;
  const waiting = bench.read(0, 512);
  bench.interrupt(gone);
  t.is(stats(bench).queued, 1);
  bench.interrupt(waiting);
  bench.run();
  t.is(bench.reply(waiting).error, -EINTR);
  bench.assertIdle();
});

test('with the pool full, waiting writes keep 31 slots, and those in flight get theirs', (t) => {
  const bench = throttled();
  // The smallest payload that occupies a place of 1 MiB: 1024 of these fill the pool.
  const large = PAYLOAD.slice(0, 524_289);
  for (let i = 0; i < 1024; i++) bench.write(0, large);
  const flying = bench.read(0, 512, DISK + 1);
  t.is(bench.memory.freeSlots, 287);
  let kept = 0;
  while (bench.plane.receivable > 0) {
    bench.write(kept, PAYLOAD.slice(0, 1));
    kept++;
  }
  t.is(kept, 31);
  bench.run();
  t.is(bench.reply(flying).error, 0);
  bench.plane.releaseWaiting();
  bench.turn();
  t.is(bench.inFlight, 256);
  bench.run();
  bench.assertIdle();
  bench.memory.trimPool();
});

test('with the pool full and only zeroings in flight, which hold no slots, the next ones get theirs', (t) => {
  const bench = throttled();
  const large = PAYLOAD.slice(0, 524_289);
  for (let i = 0; i < 1024; i++) bench.write(0, large);
  for (let i = 0; i < 256; i++) bench.read(0, 512, DISK + 1);
  for (let i = 0; i < 256; i++) bench.send(FALLOCATE, DISK + 1, allocateBody(0, 0, 4096));
  for (let i = 0; i < 256; i++) bench.step('read');
  const reads = Array.from({ length: 256 }, (_, i) => bench.read(i * 4096, 4096, DISK + 1));
  t.is(bench.inFlight, 256);
  t.is(bench.memory.freeSlots, 288);
  let kept = 0;
  for (; bench.plane.receivable > 0; kept++) bench.write(kept, PAYLOAD.slice(0, 1));
  t.is(kept, 31);
  bench.run();
  for (const [i, id] of reads.entries()) {
    sameBytes(t, bench.reply(id).payload, HOST.slice(i * 4096, i * 4096 + 4096));
  }
  bench.plane.releaseWaiting();
  bench.turn();
  bench.run();
  bench.assertIdle();
  bench.memory.trimPool();
});

test('a group with 2000 waiting requests takes nothing from another disk', (t) => {
  const bench = throttled();
  for (let i = 0; i < 1000; i++) {
    bench.read(i * 512, 512);
    bench.write(i * 512, PAYLOAD.slice(0, 512));
  }
  t.is(bench.memory.freeSlots, 288);
  t.is(bench.plane.receivable, 31);
  const reads = Array.from({ length: 256 }, (_, i) => bench.read(i * 4096, 4096, DISK + 1));
  t.is(bench.inFlight, 256);
  bench.run();
  for (const [i, id] of reads.entries()) {
    sameBytes(t, bench.reply(id).payload, HOST.slice(i * 4096, i * 4096 + 4096));
  }
  bench.plane.releaseWaiting();
  bench.turn();
  bench.run();
  bench.assertIdle();
});

test('when limits are let go of, all that waits goes at once, and nothing waits any more', (t) => {
  const bench = throttled();
  const reads = Array.from({ length: 300 }, (_, i) => bench.read(i * 512, 512));
  bench.plane.releaseWaiting();
  bench.turn();
  t.is(bench.inFlight, 256); // the window still applies
  bench.run();
  for (const id of reads) t.is(bench.reply(id).error, 0);
  sameBytes(t, bench.readNow(0, 512), HOST.slice(0, 512));
  bench.assertIdle();
});

for (const depth of [1, 4, 256]) {
  test(`never more than ${depth} requests are in flight, and they start in order`, (t) => {
    const bench = new Bench({ contents: [HOST], depth });
    const ids: number[] = [];
    for (let i = 0; i < 300; i++) {
      ids.push(
        i % 2 === 0 ? bench.read(i * 512, 512) : bench.write(i * 512, PAYLOAD.slice(0, 512)),
      );
    }
    t.is(bench.inFlight, depth);
    t.is(bench.host.pending.length, depth);
    t.is(bench.memory.freeSlots, 288 - depth);
    while (bench.host.pending.length > 0) {
      bench.stepAt(0);
      t.true(bench.inFlight <= depth);
    }
    const order = bench.host.files[0]!.log.map(
      (line) => Number(/ ([0-9]+)\+/.exec(line)![1]) / 512,
    );
    t.deepEqual(
      order,
      Array.from({ length: 300 }, (_, i) => i),
    );
    for (const id of ids) t.is(bench.reply(id).error, 0);
    bench.assertIdle();
  });
}

test('reads, writes and zeroing are charged by length, metadata and flushes are not', (t) => {
  const bench = new Bench({ contents: [HOST] });
  bench.sendAll([
    [READ, DISK, ioBody(0, 4096)],
    [WRITE, DISK, writeBody(0, PAYLOAD.slice(0, 512))],
    [FALLOCATE, DISK, allocateBody(17, 0, 65536)],
    [3, DISK, new Uint8Array(16)],
    [20, DISK, new Uint8Array(16)],
    [READ, DISK, ioBody(2 ** 30, 4096)],
    [READ, DISK, ioBody((1 << 20) - 100, 4096)],
  ]);
  bench.run();
  const { rbytes, wbytes, dbytes, rios, wios, dios } = bench.throttle.memberStats(0);
  t.deepEqual([rbytes, wbytes, dbytes, rios, wios, dios], [4196, 512, 65536, 2, 1, 1]);
  bench.assertIdle();
});

test('a write is charged for what fits on the disk', (t) => {
  const bench = new Bench({ contents: [HOST] });
  t.is(bench.writeNow((1 << 20) - 100, PAYLOAD.slice(0, 4096)), 100);
  t.is(bench.throttle.memberStats(0).wbytes, 100);
});
