import type { DeviceSession } from '../fuse/device-session.js';
import type { Dispatcher } from '../fuse/dispatch.js';
import { carryOut, type Stateful } from '../plane/carry-over.js';
import type { KeptGroups } from '../plane/kept-groups.js';
import type { KeptState } from '../plane/messages.js';
import type { SnapshotFile } from '../plane/snapshot-file.js';

/** The shortest time between two writes of debts and counters, nanoseconds. */
const EVERY_NS = 20e6;
/** That time is at least this multiple of the time that the last write took. */
const SPARE_TIMES = 50;

interface KeepParts extends Stateful {
  dispatcher: Pick<Dispatcher, 'carryOut' | 'changes'>;
  session: Pick<DeviceSession, 'sent' | 'sentCount'>;
  groups: Pick<KeptGroups, 'areNew' | 'renewed'>;
  file: Pick<SnapshotFile, 'write'>;
  /** Monotonic time, nanoseconds. */
  now: () => number;
}

/**
 * Writes the state of a data plane to a file that outlives the process. A change of open files or of groups, and a loss by a failed
 * flush, is there before the reply to it leaves. The debts and counters of groups are there a moment later.
 */
export class Keep {
  readonly #parts: KeepParts;
  /** The kernel has been told what is agreed on. Nobody can go on before that. */
  isBegun = false;
  #changes = -1;
  #tookNs = 0;
  #dueNs = 0;

  constructor(parts: KeepParts) {
    this.#parts = parts;
  }

  /** Call it after each turn, before replies leave. */
  look(): void {
    const { plane, tree, dispatcher, groups, now } = this.#parts;
    if (!this.isBegun || plane.isHolding || !plane.isReceiving) return;
    // Each of them only grows.
    const changes = plane.asked.changes + tree.changes + dispatcher.changes;
    const isChanged = changes !== this.#changes || groups.areNew(this.#parts);
    if (!isChanged && plane.nowNs < this.#dueNs) return;
    this.#changes = changes;
    const begin = now();
    const untilNextNs = Math.max(EVERY_NS, SPARE_TIMES * this.#tookNs);
    this.#write(untilNextNs);
    this.#tookNs = now() - begin;
    this.#dueNs = begin + untilNextNs;
  }

  /** @param unseenNs What is let go in this time may be in no state. */
  #write(unseenNs: number): void {
    const { dispatcher, session, groups, file } = this.#parts;
    const { sent, sentCount } = session;
    const state: KeptState = {
      plane: { ...carryOut(this.#parts), unseenNs },
      session: dispatcher.carryOut(sent, sentCount),
      ...groups.renewed(this.#parts),
    };
    file.write(state);
  }
}
