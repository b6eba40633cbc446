import type { DeviceSession } from '../fuse/device-session.js';
import type { Dispatcher } from '../fuse/dispatch.js';
import { carryOut, type Stateful } from '../plane/carry-over.js';
import type { KeptGroups } from '../plane/kept-groups.js';
import type { KeptState } from '../plane/messages.js';
import type { SnapshotFile } from '../plane/snapshot-file.js';

/** What groups owe and have counted is kept so often at most while requests come. */
const EVERY_NS = 20e6;
/** The time between two of them is at least so many times what one of them takes. */
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
 * Keeps the state of a data plane where it outlives the process: what is open and which groups there are, before a
 * reply can tell of it; what groups owe, a moment later.
 */
export class Keep {
  readonly #parts: KeepParts;
  /** The kernel has been told what is agreed on. Nobody can go on before that. */
  isBegun = false;
  #changes = -1;
  #dueNs = 0;

  constructor(parts: KeepParts) {
    this.#parts = parts;
  }

  /** Call it after each turn, before replies leave. */
  look(): void {
    const { plane, tree, dispatcher, groups, now } = this.#parts;
    if (!this.isBegun || plane.isHolding || !plane.isReceiving) return;
    // Each of them only grows.
    const changes = plane.asked.opensAndCloses + tree.newestId + dispatcher.changes;
    const isChanged = changes !== this.#changes || groups.areNew(this.#parts);
    if (!isChanged && plane.nowNs < this.#dueNs) return;
    this.#changes = changes;
    const begin = now();
    this.#write();
    const end = now();
    this.#dueNs = end + Math.max(EVERY_NS, SPARE_TIMES * (end - begin));
  }

  #write(): void {
    const { dispatcher, session, groups, file } = this.#parts;
    const { sent, sentCount } = session;
    const state: KeptState = {
      ...{ plane: carryOut(this.#parts), session: dispatcher.carryOut(sent, sentCount) },
      ...groups.renewed(this.#parts),
    };
    file.write(state);
  }
}
