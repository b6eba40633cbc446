import type { Engine } from '../../src/host/engine.js';
import { MappedFiles } from '../../src/host/mapped-files.js';
import { ThreadPoolEngine } from '../../src/host/thread-pool.js';
import { TransferThread } from '../../src/host/transfer-thread.js';
import { makeSlowCall, type SlowCall, UringEngine } from '../../src/host/uring-engine.js';
import { Ring } from '../../src/uring/ring.js';
import { TAG_INDEX } from '../../src/uring/tags.js';

/** What an engine needs from the plane that drives it. */
export interface CoreEvents {
  completed(request: number, result: number): void;
  /** True if a request is in progress. */
  isBusy(): boolean;
}

/** An engine with the functions that drive it. */
export interface CoreEngine {
  engine: Engine;
  /** Starts the I/O collected in a turn. */
  unplug(): void;
  end(): void;
}

/** More than all files of a test. */
const MAPPED_BYTES = 2 ** 30;

type MakeEngine = (events: CoreEvents) => CoreEngine;

const pool: MakeEngine = ({ completed }) => {
  const engine = new ThreadPoolEngine(null, completed);
  return { engine, unplug: () => engine.unplug(), end: () => {} };
};

const poolAndThread: MakeEngine = ({ completed }) => {
  const failed = (error: Error): void => {
    throw error;
  };
  const events = { told: () => void transfers.settle(), completed, replied: () => {}, failed };
  const transfers = new TransferThread(events, 0);
  const engine = new ThreadPoolEngine(transfers, completed);
  return { engine, unplug: () => engine.unplug(), end: () => transfers.end() };
};

/** Without /dev/fuse there are no replies that a transfer could be linked to. */
class UnlinkedEngine extends UringEngine {
  override links(): boolean {
    return false;
  }
}

const ring: MakeEngine = ({ completed, isBusy }) => {
  const queue = new Ring(64);
  const slowCall = (call: SlowCall): void => {
    void makeSlowCall(call).then((result) => completed(call.request, result));
  };
  const engine = new UnlinkedEngine(queue, slowCall, true, new MappedFiles(MAPPED_BYTES));
  let isLooking = false;
  const look = (): void => {
    queue.submit();
    while (queue.peek()) {
      const { completedTag, completedResult } = queue;
      queue.advance();
      completed(completedTag & TAG_INDEX, completedResult);
    }
    isLooking = isBusy();
    if (isLooking) setImmediate(look);
  };
  const unplug = (): void => {
    queue.submit();
    if (!isLooking) setImmediate(look);
    isLooking = true;
  };
  return { engine, unplug, end: () => {} };
};

/** Every engine, and whether it treats files in memory differently. */
export const ENGINES = {
  'thread pool': { make: pool, inMemory: false, needs: [] },
  'thread pool, files in memory': { make: poolAndThread, inMemory: true, needs: [] },
  io_uring: { make: ring, inMemory: false, needs: ['io_uring'] },
  'io_uring, files in memory': { make: ring, inMemory: true, needs: ['io_uring'] },
} as const satisfies Record<string, { make: MakeEngine; inMemory: boolean; needs: string[] }>;

export type EngineName = keyof typeof ENGINES;
