import type { DeviceSession } from '../fuse/device-session.js';
import type { Dispatcher } from '../fuse/dispatch.js';
import { carryOut, closeImages, type Stateful, type Unclosed } from '../plane/carry-over.js';
import type { Members } from '../plane/members.js';
import type { FromPlane } from '../plane/messages.js';
import { WAITING } from '../plane/requests.js';

/** The parts of a data plane that is held. */
export interface HoldParts extends Stateful {
  members: Pick<Members, 'sweep'>;
  session: Pick<DeviceSession, 'isPaused' | 'isListening' | 'sentCount' | 'cancelReceives'>;
  dispatcher: Pick<Dispatcher, 'carryOut'>;
  send: (message: FromPlane) => void;
}

type Step =
  | 'none'
  /** What has been admitted ends, and receives that are queued may still bring requests. */
  | 'settling'
  /** Receives are being taken back. */
  | 'cancelling'
  | 'closing'
  | 'held';

/**
 * Stills a data plane, so that another process can go on with its mount: no request is taken, those that wait for
 * their groups stay, all others end, and the files of all images are as after a clean end.
 */
export class Hold {
  readonly #parts: HoldParts;
  #step: Step = 'none';
  /** Counts beginnings: a closing that ends after `goOn` tells nothing. */
  #number = 0;

  constructor(parts: HoldParts) {
    this.#parts = parts;
  }

  /** Another process may go on, and writes the state that outlives it. */
  get isHeld(): boolean {
    return this.#step === 'held';
  }

  /** Nothing has been received yet: it begins with `goOn`. */
  beginHeld(): void {
    this.#pause(true);
    this.#step = 'held';
    this.#parts.send({ kind: 'held', state: null, failed: [] });
  }

  begin(): void {
    this.#pause(true);
    this.#step = 'settling';
    this.#number++;
  }

  goOn(): void {
    const { throttle, plane } = this.#parts;
    this.#pause(false);
    // Limits do not make up for the time in which nothing was let go.
    throttle.skip(plane.nowNs);
    this.#step = 'none';
  }

  #pause(isPaused: boolean): void {
    this.#parts.session.isPaused = isPaused;
    this.#parts.plane.isHolding = isPaused;
  }

  /** Call it after each turn. */
  look(): void {
    if (this.#step === 'none' || this.#step === 'held' || this.#step === 'closing') return;
    const { plane, session } = this.#parts;
    if (session.sentCount > 0 || !plane.requests.areAll(WAITING)) return;
    if (session.isListening) {
      // Once: while they end, others than those of receives may have completions, too.
      if (this.#step === 'settling') session.cancelReceives();
      this.#step = 'cancelling';
      return;
    }
    this.#step = 'closing';
    const number = this.#number;
    closeImages(this.#parts, (failed) => {
      if (this.#step === 'closing' && this.#number === number) this.#closed(failed);
    });
  }

  #closed(failed: readonly Unclosed[]): void {
    const { dispatcher, send, members, plane } = this.#parts;
    this.#step = 'held';
    // A member of a removed rule has nothing under way any more. Another process would take it for a rule.
    members.sweep(plane.nowNs);
    const state = { plane: carryOut(this.#parts), session: dispatcher.carryOut() };
    send({ kind: 'held', state: failed.length === 0 ? state : null, failed });
  }
}
