import test from 'ava';
import { parseFaults } from '../../src/control/faults.js';
import { ImageFaults } from '../../src/plane/fault-filter.js';
import { READ as READING, WRITE as WRITING } from '../../src/plane/operation.js';
import { sameBytes } from '../helpers/same-bytes.js';
import { pattern } from '../helpers/temp.js';
import {
  allocateBody,
  Bench,
  DISK,
  FALLOCATE,
  FSYNC,
  ioBody,
  READ,
  WRITE,
  writeBody,
} from './bench.js';

const EIO = -5;
const ENOSPC = -28;
const MS = 1e6;
const HOST = new Uint8Array(pattern(1 << 20, 7));
const PAYLOAD = new Uint8Array(pattern(65536, 99));
const PUNCH = 3;

const faultsOf = (words: string): ImageFaults => new ImageFaults(parseFaults(words)!);

/** Two disks of one image, or with `views` two parts of it, and its faults. */
function faulty(
  words: string,
  options: Partial<ConstructorParameters<typeof Bench>[0]> = {},
): Bench {
  const bench = new Bench({ contents: [HOST], ...options });
  bench.disks[0]!.image.faults = faultsOf(words);
  return bench;
}

const errors = (faults: ImageFaults, operation: number, count: number): number[] =>
  Array.from({ length: count }, (_, at) => at).filter(() => faults.draw(operation) < 0);

test('a seed chooses which requests fail, of each kind by itself', (t) => {
  const first = errors(faultsOf('error=25%,seed=7'), READING, 40);
  t.deepEqual(first, [2, 6, 9, 12, 18, 19, 20, 26, 28, 35]);
  const mixed = faultsOf('error=25%,seed=7');
  const reads = Array.from({ length: 40 }, (_, at) => at).filter(() => {
    mixed.draw(WRITING);
    return mixed.draw(READING) < 0;
  });
  t.deepEqual(reads, first);
  t.notDeepEqual(errors(faultsOf('error=25%,seed=8'), READING, 40), first);
  t.is(errors(faultsOf('error=100%,seed=7'), READING, 1000).length, 1000);
  t.is(errors(faultsOf('error=1%,seed=7'), READING, 100_000).length, 1016);
});

test('requests that fail are charged and leave the image alone, and no line of the log tells of them', (t) => {
  const bench = faulty(
    'read.error=100%,write.error=100%,write.errno=ENOSPC,discard.error=100%,flush.error=100%',
  );
  t.is(bench.readNow(0, 4096), EIO);
  t.is(bench.writeNow(0, PAYLOAD.slice(0, 4096)), ENOSPC);
  t.is(bench.answer(FALLOCATE, DISK, allocateBody(PUNCH, 0, 4096)), EIO);
  t.is(bench.answer(FSYNC, DISK, ioBody(0, 0)), EIO);
  t.deepEqual(bench.host.files[0]!.log, []);
  sameBytes(t, bench.host.files[0]!.content, HOST);
  const { rios, wios, dios, inflight } = bench.throttle.memberStats(bench.disks[0]!.member);
  t.deepEqual({ rios, wios, dios, inflight }, { rios: 1, wios: 1, dios: 1, inflight: 0 });
  t.is(bench.plane.hostErrors.tellAtNs, Infinity);
  t.like(bench.disks[0]!.image.faults!.snapshot(), { failed: 4, delayed: 0 });
  bench.disks[0]!.image.faults = null;
  sameBytes(t, bench.readNow(0, 4096) as Uint8Array, HOST.slice(0, 4096));
  bench.assertIdle();
});

for (const mode of ['linked', 'plain', 'inline'] as const) {
  test(`${mode}: delayed requests are carried out when their time has come, whatever their order`, (t) => {
    const bench = faulty('read.delay=20ms,write.delay=10ms,flush.delay=30ms', { mode });
    const read = bench.read(0, 65536);
    const write = bench.write(4096, PAYLOAD);
    const flush = bench.send(FSYNC, DISK, ioBody(0, 0));
    t.is(bench.inFlight, 2);
    const start = bench.nowNs;
    for (const delay of [10 * MS, 20 * MS, 30 * MS]) {
      const due = start + delay;
      t.is(bench.plane.wakeAtNs, due);
      bench.turn(due - 1);
      t.is(bench.pending(), '');
      bench.turn(due);
      bench.run();
    }
    t.deepEqual([bench.reply(read).error, bench.reply(flush).error], [0, 0]);
    t.is(bench.written(write), 65536);
    const expected = HOST.slice();
    expected.set(PAYLOAD, 4096);
    sameBytes(t, bench.reply(read).payload, expected.slice(0, 65536));
    sameBytes(t, bench.host.files[0]!.content, expected);
    t.is(bench.plane.wakeAtNs, Infinity);
    t.like(bench.disks[0]!.image.faults!.snapshot(), { failed: 0, delayed: 3 });
    bench.assertIdle();
  });
}

test('a request may be late and fail then', (t) => {
  const bench = faulty('delay=5ms,error=100%');
  const ids = bench.sendAll([
    [READ, DISK, ioBody(0, 4096)],
    [WRITE, DISK, writeBody(0, PAYLOAD.slice(0, 512))],
    [FSYNC, DISK, ioBody(0, 0)],
  ]);
  bench.turn(bench.nowNs + 5 * MS);
  bench.run();
  t.deepEqual(
    ids.map((id) => bench.reply(id).error),
    [EIO, EIO, EIO],
  );
  t.deepEqual(bench.host.files[0]!.log, []);
  bench.assertIdle();
});

test('what is asked of a part of the image has its faults, and of another image none', (t) => {
  const views = [
    { start: 0, length: 1 << 20 },
    { start: 4096, length: 8192 },
  ];
  const parts = faulty('read.error=100%', { views });
  t.is(parts.answer(READ, DISK + 1, ioBody(0, 4096)), EIO);
  parts.assertIdle();
  const two = faulty('read.error=100%', { contents: [HOST, HOST] });
  sameBytes(t, two.answer(READ, DISK + 1, ioBody(0, 4096)) as Uint8Array, HOST.slice(0, 4096));
  two.assertIdle();
});

test('at the end of a mount, and of an image that is forced out, nothing is late', (t) => {
  for (const end of [
    (bench: Bench) => bench.plane.releaseWaiting(),
    (bench: Bench) => bench.plane.hurry((disk) => disk === 0),
  ]) {
    const bench = faulty('delay=60s');
    const read = bench.read(0, 4096);
    const write = bench.write(0, PAYLOAD.slice(0, 4096));
    end(bench);
    bench.turn();
    bench.run();
    t.is(bench.reply(read).error, 0);
    t.is(bench.written(write), 4096);
    bench.assertIdle();
  }
  const ended = faulty('delay=60s');
  ended.plane.releaseWaiting();
  sameBytes(t, ended.readNow(0, 4096) as Uint8Array, HOST.slice(0, 4096));
});
