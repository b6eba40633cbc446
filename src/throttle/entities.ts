import { grownFloat64, grownInt32, grownUint8 } from './fifo-lists.js';
import type { Group } from './group.js';

/**
 * Nodes of the tree that fair queueing shares: groups have even numbers, members odd ones. The
 * members of the root group compete as one group more, ROOT_MEMBERS, beside the groups below it.
 */
export const ROOT = 0;
export const ROOT_MEMBERS = 2;
export const NONE = -1;

export const memberEntity = (member: number): number => 2 * member + 1;
export const isMember = (entity: number): boolean => (entity & 1) === 1;
/** The node in which the members of a group are. */
export const leafEntity = (group: number): number => 2 * group + 2;
export const groupEntity = (group: Group): number =>
  group.parent === null ? ROOT : leafEntity(group.id);
/** Number of the group whose buckets stand at a node; ROOT_MEMBERS has none. */
export const groupOfEntity = (entity: number): number =>
  entity === ROOT ? 0 : entity === ROOT_MEMBERS ? NONE : entity / 2 - 1;

/** What a slot (a node's reads or its writes) is to its parent. */
export const NOWHERE = 0;
/** It may go as far as its own subtree is concerned. */
export const AVAILABLE = 1;
/** It may at a known time. */
export const PENDING = 2;

/** The columns of all nodes; a slot is 2 * node + class. */
export class Entities {
  size = 0;
  parent = new Int32Array(0);
  inverseWeight = new Float64Array(0);
  /** Start tag of the next request of the node among its siblings. */
  start = new Float64Array(0);
  /** Order among equal tags: the one whose turn was longest ago. */
  ticket = new Float64Array(0);
  /** Virtual time of the node's children. */
  virtual = new Float64Array(0);
  /** Requests below the node that are in flight, that wait, and how many may be in flight. */
  inflight = new Int32Array(0);
  queued = new Int32Array(0);
  window = new Float64Array(0);
  /** Of a group: the part of its starts that left nothing waiting, a moving average. See Idlers. */
  lack = new Float64Array(0);
  /** Of a group: 1 if there are groups below it. */
  isInner = new Uint8Array(0);
  /** Of a group: 1 while its siblings wait for it. */
  idles = new Uint8Array(0);
  /** Since when, in ns. */
  idleSince = new Float64Array(0);

  /** By slot: when it may go, in ns; and where it is. */
  time = new Float64Array(0);
  where = new Uint8Array(0);
  place = new Int32Array(0);

  /** Makes room; never shrinks. Control path only. */
  grow(entities: number): void {
    if (entities <= this.size) return;
    const size = Math.max(16, 2 ** Math.ceil(Math.log2(entities)));
    this.parent = grownInt32(this.parent, size, NONE);
    this.inverseWeight = grownFloat64(this.inverseWeight, size, 0.01);
    this.start = grownFloat64(this.start, size, 0);
    this.ticket = grownFloat64(this.ticket, size, 0);
    this.virtual = grownFloat64(this.virtual, size, 0);
    this.inflight = grownInt32(this.inflight, size, 0);
    this.queued = grownInt32(this.queued, size, 0);
    this.window = grownFloat64(this.window, size, Infinity);
    this.lack = grownFloat64(this.lack, size, 1);
    this.time = grownFloat64(this.time, 2 * size, Infinity);
    this.place = grownInt32(this.place, 2 * size, NONE);
    this.isInner = grownUint8(this.isInner, size);
    this.idleSince = grownFloat64(this.idleSince, size, 0);
    this.idles = grownUint8(this.idles, size);
    this.where = grownUint8(this.where, 2 * size);
    this.size = size;
  }

  /** A node comes below `parent`, with neither credit nor debt. */
  attach(entity: number, parent: number): void {
    this.parent[entity] = parent;
    this.start[entity] = this.virtual[parent];
  }

  /** A number is used for a new node. */
  reset(entity: number): void {
    this.inverseWeight[entity] = 0.01;
    this.virtual[entity] = 0;
    this.window[entity] = Infinity;
    this.inflight[entity] = 0;
    this.queued[entity] = 0;
    this.lack[entity] = 1;
    this.isInner[entity] = 0;
    this.idles[entity] = 0;
  }
}
