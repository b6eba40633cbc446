import { totalmem } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { capacityFor, lendingCapacity, Memory } from '../buffers/memory.js';
import { MappedFiles } from '../host/mapped-files.js';
import type { PlaneConfig } from '../plane/messages.js';
import { becomeIoFlusher, preciseTimers } from '../sys/libc.js';
import { Ring } from '../uring/ring.js';
import { nowNs } from '../util/clock.js';
import { SluiceError } from '../util/errors.js';
import { buildDataPlane } from './data-plane.js';
import { Outbox } from './outbox.js';

/**
 * Entry of the data plane's thread. It blocks in io_uring_enter and its event loop never runs: no
 * promise resolves here.
 */

/** Entries queued in one turn are rarely more; a full queue flushes itself. */
const RING_ENTRIES = 512;

/** Pages of images in memory count as memory of this process: no more than this part of the machine's. */
const MAPPED_SHARE = 1 / 8;

const outbox = new Outbox((messages) => parentPort!.postMessage(messages));

function main(config: PlaneConfig): void {
  try {
    preciseTimers();
    becomeIoFlusher();
    const ring = new Ring(RING_ENTRIES, config.queues > 0);
    const capacity = config.queues > 0 ? lendingCapacity : capacityFor;
    // The limit of a cgroup counts as well; 0 or a huge number if there is none.
    const limit = process.constrainedMemory() || Infinity;
    const ram = Math.min(totalmem(), limit);
    const memory = new Memory(capacity(ram));
    memory.populates = config.keep !== undefined;
    const commands = config.queues > 0 ? { commands: ring } : {};
    // As with slots (`populates`): a daemon that is being killed gets no page, and the read would fail with EIO.
    const mapped = config.keep === undefined ? new MappedFiles(ram * MAPPED_SHARE) : null;
    const surroundings = { ring, ...commands, memory, mapped, outbox, now: nowNs };
    buildDataPlane(config, surroundings).loop.run();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { message, errno, exitCode } = error;
    outbox.send({ kind: 'refused', message, errno, exitCode });
  } finally {
    outbox.post();
  }
}

parentPort!.once('message', main);
outbox.send({ kind: 'loaded' });
outbox.post();
