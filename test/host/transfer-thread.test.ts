import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import koffi from 'koffi';
import { PENDING } from '../../src/host/engine.js';
import { ThreadPoolEngine } from '../../src/host/thread-pool.js';
import { ENTRIES } from '../../src/host/transfer-queue.js';
import { type TransferEvents, TransferThread } from '../../src/host/transfer-thread.js';
import { mapAnonymous } from '../../src/sys/memory.js';
import { ERRNO } from '../../src/util/errno.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const libuv = koffi.load(null);
const initSemaphore = libuv.func('int uv_sem_init(int64 semaphore, uint value)');
/** Returns 0 if the semaphore was posted. */
const takeSemaphore = libuv.func('int uv_sem_trywait(int64 semaphore)');

/** The default of the daemon: 4 x 50. */
const SPIN_US = 200;
/** A thread over one file, and the results that it has reported. */
class Fixture {
  readonly memory = mapAnonymous(1 << 20);
  readonly bytes = Buffer.from(this.memory.buffer);
  /** Lies after the data. */
  readonly semaphore = this.memory.address + (1 << 19);
  readonly path: string;
  readonly descriptor: number;
  readonly reports: [what: string, request: number, result?: number][] = [];
  readonly thread: TransferThread;
  #changed: () => void = () => {};

  constructor(t: ExecutionContext, content: string, flags = 'r+') {
    this.path = join(tempFolder(t, TMPFS), 'file');
    writeFileSync(this.path, content);
    this.descriptor = openSync(this.path, flags);
    const events: TransferEvents = {
      told: () => {
        this.thread.settle();
        this.#changed();
      },
      completed: (request, result) => this.reports.push(['completed', request, result]),
      replied: (request) => this.reports.push(['replied', request]),
      failed: (error) => t.fail(error.message),
    };
    this.thread = new TransferThread(events, SPIN_US);
    initSemaphore(this.semaphore, 0);
    // The thread does not keep the process alive.
    const timer = setInterval(() => {}, 1000);
    t.teardown(() => {
      clearInterval(timer);
      this.thread.end();
      closeSync(this.descriptor);
    });
  }

  read(request: number, at: number, length: number, offset: number, isHeld = false): void {
    const address = this.memory.address + at;
    this.thread.give(request, false, this.descriptor, address, length, offset, isHeld);
  }

  write(request: number, text: string, offset: number, isHeld = false): void {
    this.bytes.write(text);
    const { address } = this.memory;
    this.thread.give(request, true, this.descriptor, address, text.length, offset, isHeld);
  }

  async ended(count: number) {
    this.thread.wake();
    while (this.reports.length < count) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this.reports;
  }
}

test('transfers are made in order, and each reports its bytes', async (t) => {
  const one = new Fixture(t, 'abcdefgh');
  one.write(1, 'XY', 2);
  one.read(2, 100, 4, 0);
  one.read(3, 200, 100, 6);
  one.read(4, 300, 100, 8);
  t.deepEqual(await one.ended(4), [
    ['completed', 1, 2],
    ['completed', 2, 4],
    ['completed', 3, 2],
    ['completed', 4, 0],
  ]);
  t.is(one.bytes.toString('latin1', 100, 104), 'abXY');
  t.is(one.bytes.toString('latin1', 200, 202), 'gh');
  t.is(one.thread.underWay, 0);
});

test('an error is the errno', async (t) => {
  const one = new Fixture(t, '....', 'r');
  one.write(1, 'XY', 0);
  t.deepEqual(await one.ended(1), [['completed', 1, -ERRNO.EBADF]]);
  t.is(readFileSync(one.path, 'utf8'), '....');
});

test('who waits for a complete transfer is woken before anybody is told', async (t) => {
  const one = new Fixture(t, 'abcdefgh');
  one.read(1, 0, 4, 2, true);
  one.thread.replyBehind(one.semaphore, one.memory.address + 500);
  t.deepEqual(await one.ended(1), [['replied', 1]]);
  t.is(takeSemaphore(one.semaphore), 0);
  t.not(takeSemaphore(one.semaphore), 0);
  t.is(one.bytes.toString('latin1', 500, 504), 'cdef', 'the data is where the reply wants it');
  t.is(one.bytes[0], 0);
});

test('who waits is not woken by a transfer that was short or failed', async (t) => {
  const one = new Fixture(t, 'abcdefgh', 'r');
  one.read(1, 0, 100, 4, true);
  one.thread.replyBehind(one.semaphore, one.memory.address + 500);
  one.write(2, 'XY', 0, true);
  one.thread.replyBehind(one.semaphore, 0);
  t.deepEqual(await one.ended(2), [
    ['completed', 1, 0],
    ['completed', 2, -ERRNO.EBADF],
  ]);
  t.not(takeSemaphore(one.semaphore), 0);
});

test('a full ring says so, is emptied, and can be filled again', async (t) => {
  const one = new Fixture(t, 'abcdefgh');
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < ENTRIES; i++) {
      t.true(one.thread.hasRoom);
      one.read(i, 0, 8, 0);
    }
    t.false(one.thread.hasRoom);
    t.is((await one.ended(round * ENTRIES)).length, round * ENTRIES);
  }
});

test('the pool leaves short transfers of files in memory to the thread', async (t) => {
  const one = new Fixture(t, 'abcdefgh');
  const { descriptor, thread } = one;
  const { address } = one.memory;
  const pooled: number[][] = [];
  const file = { descriptor, inMemory: true };
  let bothEnded = (): void => {};
  const both = new Promise<void>((resolve) => {
    bothEnded = resolve;
  });
  const engine = new ThreadPoolEngine(thread, (...ended) => {
    if (pooled.push(ended) === 2) bothEnded();
  });
  for (const one of [file, { ...file, inMemory: false }]) engine.add(one);
  t.is(engine.read(1, 0, address, 4096, 2, false), PENDING);
  t.is(engine.read(2, 0, address + 4096, 100 << 10, 4, false), PENDING);
  t.is(engine.read(3, 1, address + 4096 + (100 << 10), 4096, 7, false), PENDING);
  t.is(thread.underWay, 1);
  engine.unplug();
  t.deepEqual(await one.ended(1), [['completed', 1, 6]]);
  await both;
  t.deepEqual(pooled.sort(), [
    [2, 4],
    [3, 1],
  ]);
  t.is(one.bytes.toString('latin1', 0, 6), 'cdefgh');
});

test('replies are linked only where there is somebody who sends them', (t) => {
  const { descriptor, thread } = new Fixture(t, '');
  const file = { descriptor, inMemory: true };
  const files = [file, { ...file, inMemory: false }];
  const engine = new ThreadPoolEngine(thread, () => t.fail());
  for (const one of files) engine.add(one);
  t.false(engine.links(0, 4096));
  thread.canReply = true;
  t.true(engine.links(0, 4096));
  t.true(engine.links(0, 64 << 10));
  t.false(engine.links(0, (64 << 10) + 1));
  t.false(engine.links(1, 4096));
  const alone = new ThreadPoolEngine(null, () => t.fail());
  t.false(alone.links(alone.add(file), 4096));
});
