import { bytesAt } from '../../src/sys/memory.js';
import { MSG_WAITALL } from '../../src/sys/sockets.js';
import * as abi from '../../src/uring/abi.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';
import type { Entry, RingTarget } from './sim-ring.js';
import { takeForSession } from './spare-memory.js';
import type { World } from './world.js';

/** A send or a receive takes this long at most, nanoseconds. */
const TRANSFER_NS = 20_000;

interface Waiting {
  entry: Entry;
  done: (result: number) => void;
}

/** What a socket is connected to. */
export interface Peer {
  /** Bytes have come. */
  arrived(bytes: Uint8Array): void;
  /** The daemon has closed its end. */
  left(): void;
}

/** The daemon's end of a connection to a simulated server: bytes go in order, and are split at any place. */
export class NbdSocket implements RingTarget {
  readonly #world: World;
  readonly #random: Random;
  readonly #peer: Peer;
  #sending: Waiting | null = null;
  #receiving: Waiting | null = null;
  /** A receive is about to end. */
  #isDue = false;
  /** What the server has sent, and the daemon has not received. */
  #queue: Uint8Array[] = [];
  #bytes = 0;
  /** What a receive has when nothing comes any more: 0 or -errno; null: the connection is up. */
  #end: number | null = null;
  #isShut = false;

  constructor(world: World, random: Random, peer: Peer) {
    this.#world = world;
    this.#random = random;
    this.#peer = peer;
  }

  start(entry: Entry, done: (result: number) => void): void {
    const isSend = entry.opcode === abi.OP_SEND;
    if ((isSend ? this.#sending : this.#receiving) !== null || entry.length <= 0) {
      throw this.#world.fail('two transfers of a socket at once, or one of nothing');
    }
    if (isSend) this.#send({ entry, done });
    else {
      this.#receiving = { entry, done };
      this.#look();
    }
  }

  /** The server says something. */
  push(bytes: Uint8Array): void {
    if (this.#end !== null || this.#isShut) return;
    this.#queue.push(bytes);
    this.#bytes += bytes.length;
    this.#look();
  }

  /** The connection is lost. What has been said may be lost with it. */
  lose(): void {
    if (this.#end !== null || this.#isShut) return;
    this.#end = this.#random.oneIn(2) ? 0 : -ERRNO.ECONNRESET;
    if (this.#random.oneIn(2)) {
      const kept = this.#take(this.#random.below(this.#bytes + 1));
      this.#queue = kept.length > 0 ? [kept] : [];
      this.#bytes = kept.length;
    }
    this.#endSend();
    this.#look();
  }

  /** shutdown(2) of the daemon: what is under way ends. */
  shutDown(): void {
    if (this.#isShut) return;
    this.#isShut = true;
    const receiving = this.#receiving;
    this.#receiving = null;
    this.#endSend();
    receiving?.done(0);
    this.#peer.left();
  }

  #endSend(): void {
    const sending = this.#sending;
    this.#sending = null;
    sending?.done(-ERRNO.EPIPE);
  }

  #send(asked: Waiting): void {
    const { entry, done } = asked;
    const { address, length } = entry;
    const random = this.#random;
    this.#sending = asked;
    const bytes = takeForSession(length);
    bytes.set(bytesAt(address, length));
    this.#world.schedule(random.below(TRANSFER_NS), () => {
      if (this.#sending !== asked) return;
      if (this.#end !== null) {
        this.#endSend();
        return;
      }
      if (!bytes.equals(bytesAt(address, length))) {
        throw this.#world.fail('memory has changed while a socket sent it');
      }
      this.#sending = null;
      const count = random.oneIn(8) ? 1 + random.below(length) : length;
      done(count);
      this.#peer.arrived(bytes.subarray(0, count));
    });
  }

  /** Ends the receive that waits, if it can end. */
  #look(): void {
    const asked = this.#receiving;
    if (asked === null || this.#isDue) return;
    const { length, opFlags } = asked.entry;
    const least = (opFlags & MSG_WAITALL) === 0 ? 1 : length;
    if (this.#end === null && this.#bytes < least) return;
    this.#isDue = true;
    this.#world.schedule(this.#random.below(TRANSFER_NS), () => {
      this.#isDue = false;
      if (this.#receiving !== asked) return;
      this.#receiving = null;
      const most = Math.min(this.#bytes, length);
      const isPart = least === 1 && this.#random.oneIn(2);
      const count = isPart ? Math.min(most, 1 + this.#random.below(most)) : most;
      if (count > 0) bytesAt(asked.entry.address, count).set(this.#take(count));
      asked.done(count > 0 ? count : this.#end!);
    });
  }

  /** Takes the oldest bytes out of the queue. */
  #take(count: number): Uint8Array {
    const taken = takeForSession(count);
    this.#bytes -= count;
    for (let at = 0; at < count; ) {
      const first = this.#queue[0]!;
      const part = first.subarray(0, count - at);
      taken.set(part, at);
      at += part.length;
      if (part.length === first.length) this.#queue.shift();
      else this.#queue[0] = first.subarray(part.length);
    }
    return taken;
  }
}
