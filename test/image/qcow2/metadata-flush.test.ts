import { readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Engine, Task } from '../../../src/host/engine.js';
import { Mappings } from '../../../src/image/mappings.js';
import { openChain } from '../../../src/image/open-chain.js';
import { FreshTables } from '../../../src/image/qcow2/fresh-tables.js';
import { MetadataFlush } from '../../../src/image/qcow2/metadata-flush.js';
import type { QcowImage } from '../../../src/image/qcow2/open-image.js';
import { QcowLayer } from '../../../src/image/qcow2/qcow-layer.js';
import { QcowWriter } from '../../../src/image/qcow2/qcow-writer.js';
import { readForWriting } from '../../../src/image/qcow2/read-for-writing.js';
import { SliceCache } from '../../../src/image/slice-cache.js';
import { bytesAt, mapAnonymous } from '../../../src/sys/memory.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { run } from '../../helpers/run.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';

/** One step of a flush: bytes written, or null for a barrier. */
type Step = { offset: number; bytes: Buffer } | null;

/** An engine that records the steps. */
function recorder(steps: Step[]): Engine {
  const engine: Pick<Engine, 'write' | 'flush' | 'allocate'> = {
    write: (_request, _file, address, length, offset) => {
      steps.push({ offset, bytes: Buffer.from(bytesAt(address, length)) });
      return length;
    },
    flush: () => {
      steps.push(null);
      return 0;
    },
    allocate: () => 0,
  };
  return engine as Engine;
}

/** The image after `at` steps; `kept` selects the steps since the last barrier that reach the disk. */
function imageAfter(
  before: Buffer,
  steps: readonly Step[],
  end: number,
  kept: (index: number) => boolean,
): Buffer {
  const barrier = steps.slice(0, end).lastIndexOf(null);
  let image = Buffer.from(before);
  for (const [index, step] of steps.slice(0, end).entries()) {
    if (step === null || (index > barrier && !kept(index))) continue;
    const size = Math.max(image.length, step.offset + step.bytes.length);
    image = Buffer.concat([image], size);
    step.bytes.copy(image, step.offset);
  }
  return image;
}

qemuTest('a table of refcounts moves: power may fail between any two writes', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  // A table of one cluster: 64 entries of 64 clusters each, 2 MiB of file.
  maker.create('top.qcow2', '3M', 'cluster_size=512,refcount_bits=64');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 1700k');
  const path = maker.path('top.qcow2');
  const before = readFileSync(path);
  const chain = openChain(path, { format: 'qcow2', backingFormats: [], snapshot: null });
  const { file, image } = chain.layers[0]!;
  const qcow = (image as QcowImage).part;
  const part = readForWriting(file, qcow);
  const steps: Step[] = [];
  const engine = recorder(steps);
  const cache = new SliceCache(mapAnonymous(64 * 512), 512, 'big-endian', engine, () => {});
  const layer = new QcowLayer(qcow.layout, part.l1, cache, 0, 0);
  const writer = new QcowWriter(layer, part, file.size, 1 << 20);
  const { allocator } = writer;
  const { blocks } = allocator;
  const oldTable = blocks.tableOffset;
  while (blocks.tableOffset === oldTable) {
    const host = allocator.allocate();
    if (host < 0) blocks.loaded(blocks.wanted, file.read(blocks.offsetOf(blocks.wanted), 512));
  }
  chain.close();
  const flush = new MetadataFlush(writer, engine, 0, file.size, new Mappings()).run(0, false);
  let step = flush.next(0);
  while (!step.done) step = flush.next(step.value);
  t.is(step.value, 0);
  t.true(steps.filter((one) => one === null).length >= 3, 'blocks, table, header');
  for (let at = 0; at <= steps.length; at++) {
    const choices = [
      () => true,
      () => false,
      (i: number) => i === at - 1,
      (i: number) => i !== at - 2,
    ];
    for (const kept of choices) {
      writeFileSync(path, imageAfter(before, steps, at, kept));
      const check = await run('qemu-img', ['check', '-f', 'qcow2', path]);
      // 3: leaked clusters and nothing else.
      t.true(check.code === 0 || check.code === 3, `after ${at} steps: ${check.stdout}`);
    }
  }
  const { tableClusters } = blocks;
  t.true(tableClusters > 1);
  t.is(readFileSync(path).readUInt32BE(56), tableClusters, 'the header follows');
});

test('after a failed fsync the file is extended again, because its size may be lost', (t) => {
  const calls: string[] = [];
  let synced = 0;
  const engine: Pick<Engine, 'flush' | 'allocate'> = {
    allocate: (_request, _file, _mode, offset) => {
      calls.push(`extend to ${offset + 1}`);
      return 0;
    },
    flush: () => {
      calls.push('sync');
      return synced;
    },
  };
  const pieces = (): Map<number, Uint8Array> => new Map();
  const stage = () => ({
    refcounts: pieces(),
    table: pieces(),
    header: pieces(),
    slices: pieces(),
    l1: pieces(),
    disk: pieces(),
    ended: () => {},
  });
  const allocator = { end: 8192, blocks: { crowded: false } };
  const writer = { isLazy: false, hasDataFile: false, layer: {}, allocator, stage };
  const flush = new MetadataFlush(
    writer as unknown as QcowWriter,
    engine as Engine,
    0,
    4096,
    new Mappings(),
  );
  const run = (): number => {
    const task = flush.run(0, false);
    let step = task.next(0);
    while (!step.done) step = task.next(step.value);
    return step.value;
  };
  synced = -5;
  t.is(run(), -5);
  synced = 0;
  t.is(run(), 0);
  t.is(run(), 0);
  t.deepEqual(calls, ['extend to 8192', 'sync', 'extend to 8192', 'sync', 'sync']);
});

test('after a failed fsync new tables are put into the file before changed parts of them', (t) => {
  const calls: string[] = [];
  let synced = -5;
  const engine: Pick<Engine, 'flush' | 'write'> = {
    flush: () => {
      calls.push('sync');
      return synced;
    },
    write: (_request, _file, _address, length, offset) => {
      calls.push(`write ${offset}+${length}`);
      return length;
    },
  };
  const none = (): Map<number, Uint8Array> => new Map();
  const stage = () => ({
    ...{ refcounts: none(), table: none(), header: none(), l1: none(), disk: none() },
    slices: new Map([[4096, new Uint8Array(512)]]),
    ended: () => {},
  });
  const allocator = { end: 0, blocks: { crowded: false } };
  const writer = { isLazy: false, hasDataFile: false, layer: {}, allocator, stage };
  // biome-ignore lint/correctness/useYield: nothing waits here.
  function* clear(_request: number, host: number): Task {
    calls.push(`clear ${host}`);
    return 0;
  }
  const fresh = new FreshTables({ clear, copy: clear }, { l1: new Float64Array([4096]) });
  const flush = new MetadataFlush(
    writer as unknown as QcowWriter,
    engine as Engine,
    ...([0, 0, new Mappings(), fresh] as const),
  );
  const flushed = (): number => {
    const task = flush.run(0, false);
    let step = task.next(0);
    while (!step.done) step = task.next(step.value);
    return step.value;
  };
  fresh.add(0, 4096, 0);
  t.is(flushed(), -5);
  synced = 0;
  t.is(flushed(), 0);
  t.is(flushed(), 0);
  const written = ['sync', 'write 4096+512', 'sync'];
  t.deepEqual(calls, ['sync', 'clear 4096', ...written, ...written]);
});
