import test from 'ava';
import { CHANGE, ChangeLog } from '../../../src/image/qcow2/change-log.js';
import { REDO_LOG_BYTES, RedoLog } from '../../../src/image/redo-log.js';

const NAMES = Object.fromEntries(Object.entries(CHANGE).map(([name, kind]) => [kind, name]));

/** A log, and what the next process would find in it, as words. */
function setUp() {
  const buffer = new ArrayBuffer(REDO_LOG_BYTES);
  const log = new ChangeLog(new RedoLog(buffer));
  const found = (): string[] =>
    [...new RedoLog(buffer).records()].map(({ kind, index, values }) => {
      return `${NAMES[kind]} ${index}: ${values.join(' ')}`;
    });
  return { log, found };
}

test('a cluster that is allocated is told when something refers to it', (t) => {
  const { log, found } = setUp();
  log.allocated(7);
  log.allocated(8);
  log.commit();
  t.deepEqual(found(), []);
  const words = Uint32Array.of(9, 10);
  log.entry(3, words, 0, false, 7);
  log.entry(3, words, 0, false, 7);
  // Its refcount gets to the disk before.
  log.takeBackPending();
  t.deepEqual(found(), ['newEntry 3: 9 10 0 0', 'entry 3: 9 10 0 0', 'refcount 8: 0 0 0 0']);
  log.linked(8, 1);
  log.takeBackPending();
  t.deepEqual(found().slice(3), ['run 8: 1 0 0 0']);
});

test('a flush leaves what the tables do not have', (t) => {
  const { log, found } = setUp();
  log.entry(3, Uint32Array.of(0, 1, 2, 3, 4), 1, true, -1);
  log.released(2 ** 33, false);
  log.released(2 ** 33, false);
  log.released(512, true);
  log.settled(2 ** 33, false);
  log.settled(1024, false);
  log.allocated(5);
  const mark = log.restate();
  log.l1(1, 2 ** 32 + 512);
  log.commit();
  log.flushed(mark, true);
  t.deepEqual(found(), [
    'restated 0: 0 0 0 0',
    `released ${2 ** 33}: 0 0 0 0`,
    'released 512: 1 0 0 0',
    'refcount 5: 0 0 0 0',
    'l1 1: 1 512 0 0',
  ]);
});

test('flushes that fail leave the log as it is', (t) => {
  const { log, found } = setUp();
  log.size(4096);
  log.commit();
  for (let i = 0; i < 100; i++) log.flushed(log.restate(), false);
  t.deepEqual(found(), ['size 4096: 0 0 0 0']);
  const mark = log.restate();
  log.l1Grown(8, null);
  log.commit();
  log.flushed(mark, false);
  t.deepEqual(found(), ['size 4096: 0 0 0 0', 'restated 0: 0 0 0 0', 'l1Grown 8: 0 0 0 0']);
});

test('more releases than the log can tell are left out', (t) => {
  const { log, found } = setUp();
  for (let i = 1; i <= 10_000; i++) log.released(i * 512, false);
  log.commit();
  t.is(found().length, 4096);
  for (let i = 1; i <= 10_000; i++) log.settled(i * 512, false);
  log.flushed(log.restate(), true);
  t.deepEqual(found(), []);
});
