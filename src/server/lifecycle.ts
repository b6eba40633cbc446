import type { PlaneEvent } from '../plane/messages.js';
import { assert } from '../util/assert.js';

/** The life of a mount in this process. */
export type State =
  /** Images are opened, the mount is made, its data plane starts; INIT is not answered. */
  | 'starting'
  /** The same; a signal has asked for the end. */
  | 'interrupted'
  | 'serving'
  /** The same, while another process prepares to go on with it. */
  | 'handing-over'
  /** The same, but the mount is to end in this process all the same. */
  | 'recalled'
  /** The mount is being unmounted. It is served meanwhile: the kernel writes dirty pages back. */
  | 'unmounting'
  /** No request is taken any more; those under way are finished. */
  | 'draining'
  /** The last flush. */
  | 'flushing'
  /** The mount is detached, the data plane is ended, descriptors are closed. */
  | 'closing'
  | 'ended';

export type Event =
  /** The mount and its data plane are there. The mount may have been made by another process. */
  | { kind: 'mounted' }
  /** The start has failed, and nothing is left of it. */
  | { kind: 'failed'; error: unknown }
  /** A signal asks for the end. The second one is an `abort`. */
  | { kind: 'terminate' }
  /** The end is to come at once, without a last flush. */
  | { kind: 'abort' }
  /** `unmount` is done. A mount that is in use is detached. */
  | { kind: 'unmounted' }
  /** `close` or `let-go` is done. */
  | { kind: 'closed' }
  /** Another process is to go on with the mount. */
  | { kind: 'hand-over' }
  /** It cannot, and is gone. */
  | { kind: 'kept' }
  /** It serves the mount from now on. It has the data that is not flushed. */
  | { kind: 'handed-over' }
  | PlaneEvent;

export type Action =
  /** Tells that the files can be used. */
  | 'announce'
  | 'unmount'
  /** Lets waiting requests go without limits and takes no more. Answered by `drained`. */
  | 'drain'
  /** Answered by `flushed` or `flush-failed`. */
  | 'flush'
  /** Detaches the mount, ends the data plane wherever it is, closes descriptors. */
  | 'close'
  /** The same, but the mount stays. */
  | 'let-go'
  /** Ends the process after a while, if `close` has not ended by then. */
  | 'exit-soon'
  | 'end';

/** The event has no effect: another event was faster, or has asked for the same. */
const IGNORED = 'ignored';

type Edge = readonly [next: State, ...actions: Action[]] | typeof IGNORED;
type Edges = Readonly<Partial<Record<Event['kind'], Edge>>>;

const ABORTS: Edges = {
  abort: ['closing', 'close', 'exit-soon'],
  crashed: ['closing', 'close', 'exit-soon'],
};

/** The start. Before `mounted` there is nothing to close. */
const STARTS: Edges = {
  mounted: IGNORED,
  failed: ['ended', 'end'],
  refused: ['closing', 'close'],
  disconnected: ['draining', 'drain'],
  ...ABORTS,
};

/** Events that the end in order has overtaken. */
const LATE: Edges = {
  ready: IGNORED,
  disconnected: IGNORED,
  unmounted: IGNORED,
  terminate: IGNORED,
};

/** Events that the end at once has overtaken. */
const TOO_LATE: Edges = {
  ...LATE,
  refused: IGNORED,
  drained: IGNORED,
  flushed: IGNORED,
  'flush-failed': IGNORED,
  kept: IGNORED,
};

/** All edges. An event that is missing in a state cannot come there: it is a mistake of ours. */
const TABLE: Readonly<Record<State, Edges>> = {
  starting: { ...STARTS, ready: ['serving', 'announce'], terminate: ['interrupted'] },
  interrupted: { ...STARTS, ready: ['unmounting', 'unmount'] },
  serving: {
    ...ABORTS,
    terminate: ['unmounting', 'unmount'],
    disconnected: ['draining', 'drain'],
    'hand-over': ['handing-over'],
  },
  'handing-over': {
    ...ABORTS,
    kept: ['serving'],
    'handed-over': ['closing', 'let-go'],
    terminate: ['recalled'],
    disconnected: ['recalled'],
  },
  recalled: {
    ...ABORTS,
    kept: ['unmounting', 'unmount'],
    terminate: IGNORED,
    disconnected: IGNORED,
  },
  unmounting: {
    ...ABORTS,
    unmounted: ['draining', 'drain'],
    // The first one: an umount has come while the mount was being handed over.
    terminate: IGNORED,
    // The kernel may tell the data plane before umount(2) returns.
    disconnected: ['draining', 'drain'],
  },
  draining: { ...ABORTS, ...LATE, drained: ['flushing', 'flush'] },
  flushing: {
    ...ABORTS,
    ...LATE,
    flushed: ['closing', 'close'],
    'flush-failed': ['closing', 'close'],
  },
  closing: {
    ...TOO_LATE,
    closed: ['ended', 'end'],
    // The start was aborted, and only now has there come something to close, or nothing.
    mounted: ['closing', 'close'],
    failed: ['ended', 'end'],
    abort: ['closing', 'exit-soon'],
    crashed: ['closing', 'exit-soon'],
  },
  ended: { ...TOO_LATE, abort: IGNORED, crashed: IGNORED },
};

/** `STATE EVENT` of each edge. */
export const EDGES: readonly string[] = Object.entries(TABLE).flatMap(([state, edges]) =>
  Object.keys(edges).map((kind) => `${state} ${kind}`),
);

/** How a mount came to its end in this process. */
export interface End {
  /** The event that decided it: the first that led to closing, or to the end. */
  cause: Event;
  wasServing: boolean;
  /** A signal had asked for the end. */
  wasAsked: boolean;
}

/** Takes a mount through its states: each event is one edge of the table. */
export class Lifecycle {
  #state: State = 'starting';
  #cause: Event | null = null;
  #wasServing = false;
  #isAsked = false;
  readonly #actions: Readonly<Record<Action, () => void>>;
  readonly #waiting: Event[] = [];
  #isBusy = false;

  constructor(actions: Readonly<Record<Action, () => void>>) {
    this.#actions = actions;
  }

  get state(): State {
    return this.#state;
  }

  /** A signal has asked for the end. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  /** Once the mount is closing. */
  get end(): End {
    assert(this.#cause !== null, `a mount that is ${this.#state} has not ended`);
    return { cause: this.#cause, wasServing: this.#wasServing, wasAsked: this.#isAsked };
  }

  /** Takes an event. An event that an action tells waits until its own edge is complete. */
  readonly tell = (event: Event): void => {
    this.#waiting.push(event);
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) this.#take(next);
    } finally {
      this.#isBusy = false;
    }
  };

  #take(event: Event): void {
    const told = event.kind === 'terminate' && this.#isAsked ? { kind: 'abort' as const } : event;
    const { kind } = told;
    const edge = TABLE[this.#state][kind];
    assert(edge !== undefined, `a mount that is ${this.#state} cannot be ${kind}`);
    if (kind === 'terminate' || kind === 'abort') this.#isAsked = true;
    if (edge === IGNORED) return;
    const [next, ...actions] = edge;
    this.#state = next;
    if (next === 'serving') this.#wasServing = true;
    if (next === 'closing' || next === 'ended') this.#cause ??= told;
    for (const action of actions) this.#actions[action]();
  }
}
