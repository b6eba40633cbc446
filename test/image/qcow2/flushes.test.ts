import test from 'ava';
import type { Engine } from '../../../src/host/engine.js';
import { runNow } from '../../../src/host/sync-engine.js';
import { Mappings } from '../../../src/image/mappings.js';
import { ChangeLog } from '../../../src/image/qcow2/change-log.js';
import { Flushes } from '../../../src/image/qcow2/flushes.js';
import type { QcowWriter } from '../../../src/image/qcow2/qcow-writer.js';
import { REDO_LOG_BYTES, RedoLog } from '../../../src/image/redo-log.js';

/** An image of which each flush succeeds, and clusters that lose a reference with it. */
function setUp(released: number, log: ChangeLog | null) {
  let flushes = 0;
  let lost = 0;
  let waiting = Array.from({ length: released }, (_, i) => (i + 1) * 512);
  const pieces = new Map();
  const allocator = {
    ...{ end: 0, blocks: { crowded: true, pieceBytes: 512, wanted: 0, stagePieces: () => pieces } },
    takeReleased: () => ({ data: waiting.splice(0), tables: [] }),
    putBack: (back: { data: number[] }) => {
      waiting = back.data;
    },
    decrement: (offset: number) => {
      lost++;
      log?.refcount(offset / 512, 0);
      return 0;
    },
  };
  const writer = {
    ...{ allocator, log, isLazy: false, hasDataFile: false, layer: {} },
    stage: () => {
      flushes++;
      const mark = log?.restate();
      const ended = (written: boolean): void => {
        if (mark !== undefined) log!.flushed(mark, written);
      };
      const [refcounts, table, header, slices, l1, disk] = Array(6).fill(pieces);
      return { refcounts, table, header, slices, l1, disk, ended };
    },
    stageClean: () => pieces,
  };
  Object.assign(allocator.blocks, { piecesEnded: () => {} });
  const engine = { flush: () => 0, allocate: () => 0 } as unknown as Engine;
  const io = { engine, resume: () => {}, mappings: new Mappings() };
  const all = new Flushes(writer as unknown as QcowWriter, { file: 0, hostSize: 0 }, io);
  return { flushes: all, counts: () => ({ flushes, lost }) };
}

test('the last flush is made twice: clusters without references are free then', (t) => {
  const { flushes, counts } = setUp(10_000, null);
  t.is(runNow(flushes.close(0)), 0);
  t.deepEqual(counts(), { flushes: 2, lost: 10_000 });
});

test('a log has room for a part of the references, and all of them are gone in the end', (t) => {
  const log = new ChangeLog(new RedoLog(new ArrayBuffer(REDO_LOG_BYTES)));
  const { flushes, counts } = setUp(100_000, log);
  t.is(runNow(flushes.close(0)), 0);
  t.is(counts().lost, 100_000);
  t.true(counts().flushes > 3);
});
