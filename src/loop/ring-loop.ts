import type { Memory } from '../buffers/memory.js';
import type { DeviceSession } from '../fuse/device-session.js';
import type { Dispatcher } from '../fuse/dispatch.js';
import type { RingQueues } from '../fuse/ring-queues.js';
import type { Engine } from '../host/engine.js';
import type { HostEngines } from '../host/host-engines.js';
import type { RingSockets } from '../host/ring-sockets.js';
import type { Ending } from '../plane/ending.js';
import type { Plane } from '../plane/plane.js';
import { LINKED } from '../plane/requests.js';
import type { RingQueue } from '../uring/ring.js';
import {
  TAG_CANCEL,
  TAG_ENTRY,
  TAG_INDEX,
  TAG_IO,
  TAG_KIND,
  TAG_RECEIVE,
  TAG_REPLY,
  TAG_SENT,
  TAG_SOCKET_RECEIVED,
  TAG_SOCKET_SENT,
  TAG_WAKE,
} from '../uring/tags.js';
import { assert } from '../util/assert.js';
import { ERRNO } from '../util/errno.js';
import { SpinWindow } from '../util/spin-window.js';
import type { Hold } from './hold.js';
import type { Keep } from './keep.js';
import type { Outbox } from './outbox.js';
import type { Wake } from './wake.js';

/** How long the plane is idle before it gives memory back, nanoseconds. */
const TRIM_AFTER_NS = 1e9;
/** Replies that have left are counted when nothing comes for so long, nanoseconds. */
const COUNT_AFTER_NS = 1e6;
/**
 * So often the spinning thread looks at the ring before it looks at the clock, about a microsecond. Each time is a number on
 * the heap: with a look at the clock each time they were nine tenths of all garbage, 80 MB a second.
 */
const LOOKS = 128;

/** Exports of NBD servers, and the sockets that lead to them. */
export interface Network {
  sockets: RingSockets;
  exports: Pick<HostEngines<Engine>, 'completed' | 'exportsUnderWay' | 'unplugExports'>;
}

/** The parts that a loop drives. */
export interface RingLoopParts {
  ring: RingQueue;
  plane: Plane;
  session: DeviceSession;
  /** FUSE over io_uring, where the mount uses it. */
  queues: RingQueues | null;
  dispatcher: Dispatcher;
  memory: Memory;
  wake: Wake;
  ending: Ending;
  hold: Hold;
  /** Null: no other process is to go on if this one dies. */
  keep: Keep | null;
  outbox: Outbox;
  network: Network;
  /** Called once when the kernel ends the session, with the reason. */
  disconnected: (errno: number) => void;
  /** Monotonic time, nanoseconds. */
  now: () => number;
}

/**
 * The data plane's thread: turn after turn, until the last flush is done. A turn takes in all that has
 * completed, starts all that may start, and sends everything down in one system call, which also
 * waits.
 */
export class RingLoop {
  readonly #parts: RingLoopParts;
  readonly #spin: SpinWindow;
  /** Requests received in this turn. */
  #received = 0;
  /** Time of the last turn that had anything to do. */
  #busyNs = 0;
  /** When the queue was submitted. */
  #submittedNs = 0;
  #trimmed = true;
  #isConnected = true;

  /** @param pollUs Spin this long at most after the last event before the thread sleeps. */
  constructor(parts: RingLoopParts, pollUs: number) {
    this.#parts = parts;
    this.#spin = new SpinWindow(pollUs * 1000);
  }

  /** Returns when the last flush is done. */
  run(): void {
    const { plane, session, ending, hold, keep, network, outbox, disconnected } = this.#parts;
    for (;;) {
      this.#turn();
      if (this.#isConnected && session.ended !== 0) {
        this.#isConnected = false;
        disconnected(session.ended);
      }
      hold.look();
      if (!hold.isHeld) keep?.look();
      session.post(plane.receivable);
      network.exports.unplugExports();
      if (ending.look()) return;
      if (outbox.isEmpty) this.#wait();
      else this.#tell();
    }
  }

  #turn(): void {
    const { ring, plane } = this.#parts;
    if (ring.queued === 0) this.#settleSent();
    const now = this.#parts.now();
    plane.beginTurn(now);
    this.#received = 0;
    while (ring.peek()) {
      const tag = ring.completedTag;
      const result = ring.completedResult;
      ring.advance();
      this.#busyNs = now;
      this.#handle(tag & TAG_KIND, tag & TAG_INDEX, result);
    }
    if (this.#received > 0) this.#spin.received(this.#received, now);
    plane.endTurn();
  }

  /** The queue has been submitted, and so these replies have left, before the thread slept. */
  #settleSent(): void {
    const { plane, session, dispatcher } = this.#parts;
    const count = session.sentCount;
    if (count === 0) return;
    plane.beginTurn(this.#submittedNs);
    session.sentCount = 0;
    for (let i = 0; i < count; i++) dispatcher.replied(session.sent[i]!);
  }

  #handle(kind: number, index: number, result: number): void {
    const { plane, session, dispatcher, memory, wake, network } = this.#parts;
    if (kind === TAG_REPLY) this.#linkedReplied(index, result);
    else if (kind === TAG_IO) {
      if (!this.#transferred(index, result)) network.exports.completed(index, result);
    } else if (kind === TAG_RECEIVE) {
      const bytes = session.received(index, result);
      if (bytes === 0) return;
      if (!plane.isReceiving) {
        // A receive that was queued before. Its caller gets the error of a mount that is gone.
        memory.releaseSlot(index);
        return;
      }
      this.#received++;
      dispatcher.received(index, bytes);
    } else if (kind === TAG_ENTRY) {
      const queues = this.#parts.queues!;
      if (!queues.arrived(index, result)) return;
      if (!plane.isReceiving) {
        memory.takeBack(index);
        return;
      }
      this.#received++;
      queues.begin(index, dispatcher);
    } else if (kind === TAG_WAKE) wake.woken();
    else if (kind === TAG_SOCKET_SENT || kind === TAG_SOCKET_RECEIVED) {
      network.sockets.completed(kind, index, result);
    } else if (kind !== TAG_CANCEL) {
      assert(kind === TAG_SENT, `a completion of no known kind: ${kind}`);
      session.sendFailed(index, result);
    }
  }

  /**
   * Where queues are used a linked transfer tells of its success, because the command that takes the reply
   * tells of the next request only.
   */
  #transferred(request: number, result: number): boolean {
    const { state, lent, length } = this.#parts.plane.requests;
    if (state[request] !== LINKED || result !== length[request]) return false;
    if (lent[request] === 1) this.#parts.dispatcher.replied(request);
    return true;
  }

  /** A reply behind a transfer has left, or could not: with a broken link the transfer itself tells. */
  #linkedReplied(request: number, result: number): void {
    if (result === -ERRNO.ECANCELED) return;
    const { plane, session, dispatcher } = this.#parts;
    if (result < 0) {
      const { uniqueLow, uniqueHigh } = plane.requests;
      session.replyFailed(uniqueLow[request]!, uniqueHigh[request]!, result);
    }
    dispatcher.replied(request);
  }

  /** Sends messages when what this turn has made is on its way. */
  #tell(): void {
    const { ring, outbox, now } = this.#parts;
    this.#submittedNs = now();
    ring.submit();
    outbox.look(ring.hasWork());
  }

  /** Submits the queue, spins for a while, then sleeps until something happens. */
  #wait(): void {
    const { ring, plane, session, dispatcher, network } = this.#parts;
    const wakeAt = plane.wakeAtNs;
    // An NBD server is a program as the callers are: its answer wakes this thread, too.
    const inDevices = plane.inFlight - network.exports.exportsUnderWay;
    const isDeviceBusy = inDevices > session.sentCount;
    // Only when these replies have left may those that wait take their places, and perhaps nothing else comes.
    const hasSent = session.sentCount > 0;
    const isHeldUp =
      hasSent &&
      !isDeviceBusy &&
      (plane.requests.count > session.sentCount || !session.isListening);
    const now = this.#parts.now();
    this.#submittedNs = now;
    // A device's interrupt, or a kernel thread that copies, gains nothing from a busy core.
    const spinUntil =
      isDeviceBusy || isHeldUp ? 0 : Math.min(this.#busyNs + this.#spin.windowNs, wakeAt);
    if (now < spinUntil && this.#spinUntil(spinUntil)) return;
    // The first reply, to INIT, and the last ones before a hold or of all: nothing may come after them to wake this thread.
    const isEdge = !plane.isReceiving || !dispatcher.isServing || plane.isHolding;
    const last = isEdge && hasSent;
    if (wakeAt <= now || last || isHeldUp) ring.submit();
    else if (wakeAt === Infinity && !this.#trimmed && !hasSent) this.#sleepIdle();
    else {
      this.#trimmed = false;
      // The next turn counts what has left. Nobody knows when a request comes.
      const until = hasSent ? Math.min(wakeAt, now + COUNT_AFTER_NS) : wakeAt;
      ring.submitAndWait(Math.max(0, until - this.#parts.now()));
    }
    if (!isDeviceBusy) this.#spin.slept(this.#parts.now() - this.#busyNs);
  }

  /** @returns Whether something has happened; it is in the ring. */
  #spinUntil(until: number): boolean {
    const { ring } = this.#parts;
    // At queue depth 1 on a disk nothing is queued here, and this was one system call of three.
    if (ring.queued > 0) ring.submit();
    do {
      for (let looks = 0; looks < LOOKS; looks++) {
        if (!ring.hasWork()) continue;
        ring.submit();
        return true;
      }
    } while (this.#parts.now() < until);
    return false;
  }

  /** Sleeps, and gives memory back if nothing comes for a while. */
  #sleepIdle(): void {
    const { ring, plane, session, memory } = this.#parts;
    ring.submitAndWait(TRIM_AFTER_NS);
    if (ring.peek() || plane.requests.count > session.sentCount) return;
    memory.trim();
    if (plane.pooled === 0) memory.trimPool();
    this.#trimmed = true;
  }
}
