import type { DeviceSession } from '../fuse/device-session.js';
import type { Dispatcher } from '../fuse/dispatch.js';
import { type OwedState, openState, owedState, type Stateful } from '../plane/carry-over.js';
import type { KeptGroups } from '../plane/kept-groups.js';
import { type PackedState, pack } from '../plane/kept-state.js';
import type { SnapshotFile } from '../plane/snapshot-file.js';

/** The shortest time between two writes of debts and counters, nanoseconds. */
const EVERY_NS = 20e6;
/** That time is at least this multiple of the time that the last write took. */
const SPARE_TIMES = 50;
/** And never more than this: another program can take the processor away in the middle of a write, which then took long. */
const MOST_NS = 500e6;

const NOTHING: Uint8Array = new Uint8Array();

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
  /** Of the tree that `#nodes` is of. */
  #treeChanges = -1;
  #tookNs = 0;
  #dueNs = 0;
  #nodes = NOTHING;
  #groups = NOTHING;
  #owed = NOTHING;

  constructor(parts: KeepParts) {
    this.#parts = parts;
  }

  /** Call it after each turn, before replies leave. While a mount goes to another process, requests that have come are answered. */
  look(): void {
    const { plane, tree, dispatcher, groups, now } = this.#parts;
    if (!this.isBegun || !plane.isReceiving) return;
    // Each of them only grows.
    const changes = plane.asked.changes + tree.changes + dispatcher.changes;
    const areNew = groups.areNew(this.#parts);
    const isDue = areNew || plane.nowNs >= this.#dueNs;
    if (changes === this.#changes && !isDue) return;
    this.#changes = changes;
    const begin = now();
    if (isDue) this.#renew(areNew, begin);
    this.#write();
    if (isDue) this.#tookNs = now() - begin;
  }

  /** Debts and counters, and the groups if they are others. */
  #renew(areNew: boolean, nowNs: number): void {
    // What is let go in this time may be in no state.
    const unseenNs = Math.min(MOST_NS, Math.max(EVERY_NS, SPARE_TIMES * this.#tookNs));
    this.#dueNs = nowNs + unseenNs;
    this.#owed = pack({ ...owedState(this.#parts), unseenNs } satisfies OwedState);
    if (areNew) this.#groups = pack(this.#parts.groups.renewed(this.#parts));
  }

  #write(): void {
    const { tree, dispatcher, session, file } = this.#parts;
    if (tree.changes !== this.#treeChanges) this.#nodes = pack(tree.nodeIds);
    this.#treeChanges = tree.changes;
    const state: PackedState = {
      ...openState(this.#parts),
      ...{ nodes: this.#nodes, owed: this.#owed, groups: this.#groups },
      session: dispatcher.carryOut(session.sent, session.sentCount),
    };
    file.write(state);
  }
}
