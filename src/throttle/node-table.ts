import { type Column, grown } from '../util/growing.js';
import type { Group } from './group.js';

/**
 * Each device has a tree of its own, through which groups share it: no weight counts on one for what
 * was served on another. All trees have the same groups and members. A row is the number of a group in
 * every tree. The members of the root group compete as one more group, ROOT_MEMBERS, beside the groups
 * below the root. Nodes of groups have even numbers, those of members odd ones.
 */
export const ROOT = 0;
export const ROOT_MEMBERS = 1;
export const NONE = -1;

export const isMember = (node: number): boolean => (node & 1) === 1;
/** The row whose children are the members of a group. */
export const leafRow = (group: number): number => group + 1;
/** The row of a group by its number, that of the root group being 0. */
export const rowOfGroup = (id: number): number => (id === 0 ? ROOT : leafRow(id));
export const groupRow = (group: Group): number => rowOfGroup(group.id);

/** Bits for the number of a device in that of a node or a queue: shifts are taken apart faster than products. */
export const deviceBits = (devices: number): number => Math.ceil(Math.log2(devices));

/**
 * A node has two entries below its parent, 2 * node + class, one for each class of operations. A
 * limit may stop one and not the other. The entries of a member are its queues.
 */
export const queueOfEntry = (entry: number): number => ((entry >> 2) << 1) | (entry & 1);
export const entryOfQueue = (queue: number): number => (((queue >> 1) * 2 + 1) << 1) | (queue & 1);

/** States of an entry: nothing to send, or no time is known at which it may. */
export const ABSENT = 0;
/** It may send now, as far as its own subtree is concerned. */
export const ELIGIBLE = 1;
/** It may send at a known time. */
export const PENDING = 2;

/** Weight of a node that nobody set a weight for: 100. */
const DEFAULT_INVERSE_WEIGHT = 0.01;

/** Columns whose new places are not 0. */
const INITIAL: Readonly<Record<string, number>> = {
  parent: NONE,
  inverseWeight: DEFAULT_INVERSE_WEIGHT,
  maxInflight: Infinity,
  readyTime: Infinity,
  place: NONE,
  committed: NONE,
};
/** Columns with a place for each entry, two for a node. */
const BY_ENTRY: ReadonlySet<string> = new Set([
  'state',
  'readyTime',
  'place',
  'committed',
  'classTag',
]);

/** The columns of all nodes, and of their entries. */
export class NodeTable {
  readonly devices: number;
  readonly #deviceBits: number;
  /** Devices that have nodes, and may have requests: those with numbers below. Never shrinks. */
  devicesInUse: number;
  parent = new Int32Array(0);
  inverseWeight = new Float64Array(0);
  /** Start tag of the node's next request, among its siblings. */
  startTag = new Float64Array(0);
  /** Virtual time of the node's children. */
  virtualTime = new Float64Array(0);
  /** Order among equal start tags: the node that was served longest ago has the least ticket. */
  ticket = new Float64Array(0);
  /** Requests at or below the node that are in flight, and that wait. */
  inflight = new Int32Array(0);
  queued = new Int32Array(0);
  /** Requests at or below the node that may be in flight, for the latency targets of others. */
  maxInflight = new Float64Array(0);
  /** Time in ns until which nothing at or below the node is sent, for the same reason. */
  restsUntil = new Float64Array(0);
  /** Of a group: 1 while it contends for the device; weight of the contenders below it. */
  isContender = new Uint8Array(0);
  wasContender = new Uint8Array(0);
  rivalWeight = new Float64Array(0);
  /** Of a group without groups below: 1 while it is known to `Contenders`. */
  isListed = new Uint8Array(0);
  /** Least number of its requests lately; sums of times in ns and of costs of its last requests. */
  least = new Float64Array(0);
  flightTime = new Float64Array(0);
  flightCost = new Float64Array(0);
  /** Places in flight that it takes up by its share, relative to other contenders. */
  taken = new Float64Array(0);
  /** Of a group: 1 while the device idles for it, and since when in ns. */
  isIdledFor = new Uint8Array(0);
  idledSince = new Float64Array(0);

  /** By entry: ABSENT, ELIGIBLE or PENDING; the time in ns from which it may send; place in its heap. */
  state = new Uint8Array(0);
  readyTime = new Float64Array(0);
  place = new Int32Array(0);
  /** By entry of a group: the child that sends next, whatever comes; NONE if that is open. */
  committed = new Int32Array(0);
  /** By entry of a member: start tag of the member's reads against its writes. */
  classTag = new Float64Array(0);

  #tickets = 0;

  /** @param devices Places for devices. All but `inUse` are for later ones. */
  constructor(devices = 1, inUse = devices) {
    this.devices = devices;
    this.#deviceBits = deviceBits(devices);
    this.devicesInUse = inUse;
  }

  /** The node of a row in the tree of a device. */
  nodeOf(row: number, device: number): number {
    return 2 * ((row << this.#deviceBits) | device);
  }

  memberNode(member: number, device: number): number {
    return 2 * ((member << this.#deviceBits) | device) + 1;
  }

  /** The row of a group's node. */
  rowOf(node: number): number {
    return (node >> 1) >> this.#deviceBits;
  }

  /** The group whose buckets a node has; ROOT_MEMBERS has none. */
  groupOf(node: number): number {
    const row = this.rowOf(node);
    return row === ROOT ? 0 : row === ROOT_MEMBERS ? NONE : row - 1;
  }

  deviceOf(node: number): number {
    return (node >> 1) & ((1 << this.#deviceBits) - 1);
  }

  /** Makes room for rows and members 0 to `rows` - 1; never shrinks. */
  grow(rows: number): void {
    const nodes = this.nodeOf(rows, 0);
    if (nodes <= this.parent.length) return;
    const columns = this as unknown as Record<string, Column>;
    for (const name of Object.keys(this).filter((key) => ArrayBuffer.isView(columns[key]))) {
      const length = BY_ENTRY.has(name) ? 2 * nodes : nodes;
      columns[name] = grown(columns[name], length, INITIAL[name]);
    }
  }

  /** Uses a number for a new node below `parent`, NONE for the root. */
  add(node: number, parent: number): void {
    this.inverseWeight[node] = DEFAULT_INVERSE_WEIGHT;
    this.virtualTime[node] = 0;
    this.inflight[node] = 0;
    this.queued[node] = 0;
    this.maxInflight[node] = Infinity;
    this.restsUntil[node] = 0;
    this.isContender[node] = 0;
    this.least[node] = 0;
    this.flightTime[node] = 0;
    this.flightCost[node] = 0;
    this.isIdledFor[node] = 0;
    this.committed.fill(NONE, 2 * node, 2 * node + 2);
    this.classTag.fill(0, 2 * node, 2 * node + 2);
    this.attach(node, parent);
  }

  /** Puts a node below `parent`, with neither credit nor debt. */
  attach(node: number, parent: number): void {
    this.parent[node] = parent;
    if (parent !== NONE) this.startTag[node] = this.virtualTime[parent];
  }

  /** Puts a node behind all others of the same start tag. */
  takeTicket(node: number): void {
    this.ticket[node] = ++this.#tickets;
  }

  /** Reads (0) or writes (1) of a member: the class that it serves next. */
  firstClass(member: number): number {
    return this.classTag[2 * member + 1] < this.classTag[2 * member] ? 1 : 0;
  }

  /** True if `a` is served before its sibling `b`. An entry that comes back starts at virtual time. */
  precedes(a: number, b: number): boolean {
    const now = this.virtualTime[this.parent[a]];
    const tagA = Math.max(this.startTag[a], now);
    const tagB = Math.max(this.startTag[b], now);
    return tagA < tagB || (tagA === tagB && this.ticket[a] < this.ticket[b]);
  }
}
