import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { PENDING } from '../../src/host/engine.js';
import { adjacentRuns, ThreadPoolEngine } from '../../src/host/thread-pool.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { ERRNO } from '../../src/util/errno.js';
import { tempFolder } from '../helpers/temp.js';
import { timesAt } from '../plane/fake-host.js';

/** An engine over one file, and the results that it has reported. */
class Fixture {
  /** Memory for this test only, because tests run at the same time. */
  readonly memory = mapAnonymous(1 << 20);
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly address = this.memory.address;
  readonly path: string;
  readonly descriptor: number;
  readonly engine: ThreadPoolEngine;
  readonly results = new Map<number, number>();
  #changed: () => void = () => {};

  constructor(t: ExecutionContext, content: string, flags = 'r+') {
    this.path = join(tempFolder(t), 'file');
    writeFileSync(this.path, content);
    this.descriptor = openSync(this.path, flags);
    t.teardown(() => closeSync(this.descriptor));
    this.engine = new ThreadPoolEngine(null, (request, result) => {
      this.results.set(request, result);
      this.#changed();
    });
    t.is(this.engine.add({ descriptor: this.descriptor, inMemory: false }), 0);
  }

  /** Waits for so many requests; returns request and result of each, ordered by request. */
  async ended(count: number): Promise<[number, number][]> {
    while (this.results.size < count) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return [...this.results].sort(([a], [b]) => a - b);
  }

  text(at: number, length: number): string {
    return Buffer.from(this.bytes.buffer, at, length).toString();
  }
}

test('nothing is done before unplug, and then everything', async (t) => {
  const one = new Fixture(t, 'abcdefgh');
  t.is(one.engine.read(1, 0, one.address, 4, 0, false), PENDING);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(one.results.size, 0);
  one.engine.unplug();
  t.deepEqual(await one.ended(1), [[1, 4]]);
  t.is(one.text(0, 4), 'abcd');
});

function transfer(request: number, file: number, isWrite: boolean, length: number, offset: number) {
  return { request, file, isWrite, address: 0, length, offset };
}

function requestsOf(runs: readonly { request: number }[][]): number[][] {
  return runs.map((run) => run.map(({ request }) => request));
}

test('transfers that continue each other are one run, whatever order they came in', (t) => {
  const transfers = [
    transfer(1, 0, false, 4096, 8192),
    transfer(2, 0, false, 4096, 0),
    transfer(3, 0, false, 4096, 4096),
    transfer(4, 0, false, 4096, 20480),
    transfer(5, 1, false, 4096, 24576),
    transfer(6, 1, true, 4096, 28672),
  ];
  t.deepEqual(requestsOf(adjacentRuns(transfers)), [[2, 3, 1], [4], [5], [6]]);
});

test('a run ends at 256 KiB', (t) => {
  const transfers = [0, 1, 2].map((i) => transfer(i, 0, true, 100 << 10, i * (100 << 10)));
  t.deepEqual(requestsOf(adjacentRuns(transfers)), [[0, 1], [2]]);
});

test('a merged read gives each request its own bytes', async (t) => {
  const one = new Fixture(t, 'abcdefghij');
  one.engine.read(7, 0, one.address + 100, 4, 4, false);
  one.engine.read(8, 0, one.address + 200, 4, 0, false);
  one.engine.unplug();
  t.deepEqual(await one.ended(2), [
    [7, 4],
    [8, 4],
  ]);
  t.deepEqual([one.text(100, 4), one.text(200, 4)], ['efgh', 'abcd']);
});

test('of a merged read across the end of the file, each request hears what it got', async (t) => {
  const one = new Fixture(t, 'abcdef');
  for (let i = 0; i < 3; i++) one.engine.read(i, 0, one.address + i * 4, 4, i * 4, false);
  one.engine.unplug();
  t.deepEqual(await one.ended(3), [
    [0, 4],
    [1, 2],
    [2, 0],
  ]);
});

test('a merged write puts all bytes in their places', async (t) => {
  const one = new Fixture(t, '..........');
  one.bytes.set(Buffer.from('AABB'), 0);
  one.engine.write(1, 0, one.address + 2, 2, 4, false);
  one.engine.write(2, 0, one.address, 2, 2, false);
  one.engine.unplug();
  t.deepEqual(await one.ended(2), [
    [1, 2],
    [2, 2],
  ]);
  t.is(readFileSync(one.path, 'utf8'), '..AABB....');
});

test('an error is the errno, for each request of a merged call', async (t) => {
  const one = new Fixture(t, '........', 'r');
  one.engine.write(1, 0, one.address, 2, 0, false);
  one.engine.write(2, 0, one.address, 2, 2, false);
  one.engine.unplug();
  t.deepEqual(await one.ended(2), [
    [1, -ERRNO.EBADF],
    [2, -ERRNO.EBADF],
  ]);
});

test('flush, resize, allocate, seek and status report what the calls say', async (t) => {
  const one = new Fixture(t, 'x'.repeat(8192));
  t.is(one.engine.flush(1, 0, false), PENDING);
  t.is(one.engine.flush(2, 0, true), PENDING);
  t.is(one.engine.resize(3, 0, 65536), PENDING);
  await one.ended(3);
  t.is(one.engine.seek(4, 0, 8192, 3), PENDING); // SEEK_DATA in the hole behind the data
  const status = { allocated: 0, times: timesAt(0), size: 0 };
  t.is(one.engine.status(5, 0, status), PENDING);
  t.is(one.engine.allocate(6, 0, 0x40, 0, 4096), PENDING); // UNSHARE_RANGE is not supported
  t.deepEqual(await one.ended(6), [
    [1, 0],
    [2, 0],
    [3, 0],
    [4, -ERRNO.ENXIO],
    [5, 0],
    [6, -ERRNO.EOPNOTSUPP],
  ]);
  t.is(status.allocated, 8192);
  t.true(status.times.modified.seconds > Date.UTC(2026) / 1000);
});
