import type { PlaneEvent } from '../plane/messages.js';
import { assert } from '../util/assert.js';

/** The life of a mount in this process. */
export type State =
  /** Images are opened, the mount is made, its data plane starts; INIT is not answered. */
  | 'starting'
  /** The same; a signal has asked for the end. */
  | 'interrupted'
  | 'serving'
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
  /** The mount and its data plane are there, whoever made the mount. */
  | { kind: 'mounted' }
  /** The start has failed, and nothing is left of it. */
  | { kind: 'failed'; error: unknown }
  /** A signal asks for the end. The second one is an `abort`. */
  | { kind: 'terminate' }
  /** The end is to come at once, without a last flush. */
  | { kind: 'abort' }
  /** `unmount` is done. What could not be unmounted is detached. */
  | { kind: 'unmounted' }
  /** `close` or `let-go` is done. */
  | { kind: 'closed' }
  /** Another process serves the mount from now on, and has what is not flushed. */
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
  /** Ends the process soon, should `close` not come to its end. */
  | 'exit-soon'
  | 'end';

/** Nothing is done, and nothing is wrong: another event was faster, or has asked for the same. */
const IGNORED = 'ignored';

type Edge = readonly [next: State, ...actions: Action[]] | typeof IGNORED;

/** What happens while descriptors are closed has been overtaken by the end. */
const OVERTAKEN = {
  ready: IGNORED,
  refused: IGNORED,
  disconnected: IGNORED,
  terminate: IGNORED,
  unmounted: IGNORED,
  drained: IGNORED,
  flushed: IGNORED,
  'flush-failed': IGNORED,
} as const;

const ABORT = ['closing', 'close', 'exit-soon'] as const;

/** All edges. A pair that is missing cannot come about: it is a mistake of ours. */
const TABLE: Readonly<Record<State, Readonly<Partial<Record<Event['kind'], Edge>>>>> = {
  starting: {
    mounted: IGNORED,
    failed: ['ended', 'end'],
    refused: ['closing', 'close'],
    ready: ['serving', 'announce'],
    disconnected: ['draining', 'drain'],
    terminate: ['interrupted'],
    // Before `mounted` there is nothing to close.
    abort: ABORT,
    crashed: ABORT,
  },
  interrupted: {
    mounted: IGNORED,
    failed: ['ended', 'end'],
    refused: ['closing', 'close'],
    ready: ['unmounting', 'unmount'],
    disconnected: ['draining', 'drain'],
    abort: ABORT,
    crashed: ABORT,
  },
  serving: {
    disconnected: ['draining', 'drain'],
    terminate: ['unmounting', 'unmount'],
    'handed-over': ['closing', 'let-go'],
    abort: ABORT,
    crashed: ABORT,
  },
  unmounting: {
    unmounted: ['draining', 'drain'],
    // The kernel may tell the data plane before it tells the caller of umount(2).
    disconnected: ['draining', 'drain'],
    abort: ABORT,
    crashed: ABORT,
  },
  draining: {
    drained: ['flushing', 'flush'],
    ready: IGNORED,
    disconnected: IGNORED,
    unmounted: IGNORED,
    terminate: IGNORED,
    abort: ABORT,
    crashed: ABORT,
  },
  flushing: {
    flushed: ['closing', 'close'],
    'flush-failed': ['closing', 'close'],
    ready: IGNORED,
    disconnected: IGNORED,
    unmounted: IGNORED,
    terminate: IGNORED,
    abort: ABORT,
    crashed: ABORT,
  },
  closing: {
    ...OVERTAKEN,
    closed: ['ended', 'end'],
    // The start was aborted before they were there.
    mounted: ['closing', 'close'],
    failed: ['ended', 'end'],
    abort: ['closing', 'exit-soon'],
    crashed: ['closing', 'exit-soon'],
  },
  ended: { ...OVERTAKEN, abort: IGNORED, crashed: IGNORED },
};

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

  /** An event has come. What an action tells is taken after the action's own edge. */
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
