import { FifoLists } from '../util/fifo-lists.js';
import { grown } from '../util/growing.js';
import { deviceBits } from './node-table.js';

/** Directions of a request. A discard, or zeroing, is charged as a write of its length. */
export const READ = 0;
export const WRITE = 1;
export const DISCARD = 2;

/** Classes of operations: reads (0), and writes with discards (1). Each is served in order. */
export const OP_CLASSES = 2;

/** States of a request. */
export const IDLE = 0;
export const WAITING = 1;
export const INFLIGHT = 2;

/**
 * Requests and the queues that they wait in, as columns. A queue is a member's reads from a device,
 * or its writes and discards there, first in, first out. Its number has those of member and device, and
 * the class in bit 0.
 *
 * A request takes 46 bytes, allocated once: 3 MB for 65536 requests.
 */
export class RequestTable {
  readonly #deviceBits: number;
  readonly lists: FifoLists;
  readonly state: Uint8Array;
  readonly memberOf: Int32Array;
  readonly deviceOf: Uint8Array;
  readonly directionOf: Uint8Array;
  readonly bytesOf: Float64Array;
  /** Arrival in ns while the request waits, start while it is in flight. */
  readonly sinceOf: Float64Array;
  /** How long it waited until it was admitted, ns. */
  readonly waitOf: Float64Array;
  /** Time in ns from which its limits let it go; its arrival if that was later. */
  readonly readyOf: Float64Array;
  /** Group of a member. */
  groupOf = new Int32Array(0);
  /** Queues there is room for. */
  queues = 0;

  constructor(capacity: number, devices = 1) {
    this.#deviceBits = deviceBits(devices);
    this.lists = new FifoLists(capacity, 0);
    this.state = new Uint8Array(capacity);
    this.memberOf = new Int32Array(capacity);
    this.deviceOf = new Uint8Array(capacity);
    this.directionOf = new Uint8Array(capacity);
    this.bytesOf = new Float64Array(capacity);
    this.sinceOf = new Float64Array(capacity);
    this.waitOf = new Float64Array(capacity);
    this.readyOf = new Float64Array(capacity);
  }

  /** Makes room; never shrinks. */
  grow(members: number): void {
    this.queues = Math.max(this.queues, (members << this.#deviceBits) * OP_CLASSES);
    this.lists.grow(0, this.queues);
    this.groupOf = grown(this.groupOf, members);
  }

  /** The first request of a queue, -1 if it is empty. */
  headOf(queue: number): number {
    return this.lists.head[queue];
  }

  /** Number of the group that a queue belongs to. */
  groupOfQueue(queue: number): number {
    return this.groupOf[(queue >> 1) >> this.#deviceBits];
  }

  queueOf(request: number): number {
    const opClass = this.directionOf[request] === READ ? 0 : 1;
    const place = (this.memberOf[request] << this.#deviceBits) | this.deviceOf[request];
    return place * OP_CLASSES + opClass;
  }
}
