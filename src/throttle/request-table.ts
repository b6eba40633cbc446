import { CLASSES } from './chains.js';
import { FifoLists, grownInt32 } from './fifo-lists.js';

/** States of a request. */
export const IDLE = 0;
export const WAITING = 1;
export const INFLIGHT = 2;

/**
 * Requests and the queues that they wait in, in columns. A queue is a member's reads (2 * member) or
 * its writes and discards (2 * member + 1), first in first out.
 *
 * A request costs 38 bytes, allocated once: at 65536 requests 2.5 MB.
 */
export class RequestTable {
  readonly lists: FifoLists;
  readonly state: Uint8Array;
  readonly memberOf: Int32Array;
  readonly directionOf: Uint8Array;
  readonly bytesOf: Float64Array;
  readonly arrivalOf: Float64Array;
  /** When its own limits would have let it go, or when it came if that was later. */
  readonly readyOf: Float64Array;
  /** Group of a member. */
  groupOf = new Int32Array(0);
  queues = 0;

  constructor(capacity: number) {
    this.lists = new FifoLists(capacity, 0);
    this.state = new Uint8Array(capacity);
    this.memberOf = new Int32Array(capacity);
    this.directionOf = new Uint8Array(capacity);
    this.bytesOf = new Float64Array(capacity);
    this.arrivalOf = new Float64Array(capacity);
    this.readyOf = new Float64Array(capacity);
  }

  /** Makes room; never shrinks. Control path only. */
  growMembers(members: number): void {
    this.queues = Math.max(this.queues, members * CLASSES);
    this.lists.grow(0, this.queues);
    this.groupOf = grownInt32(this.groupOf, members, 0);
  }

  headOf(queue: number): number {
    return this.lists.head[queue];
  }

  queueOf(request: number): number {
    return this.memberOf[request] * CLASSES + (this.directionOf[request] === 0 ? 0 : 1);
  }
}
