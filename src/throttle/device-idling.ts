import { Heap } from './heap.js';
import { NONE, type NodeTable } from './node-table.js';

/**
 * Longest time in ns that the device idles for a group, so that a disk that hangs does not stop the
 * images on others. At 2 x 128 threads, 80:20 and 10:90 come out as 80.0 and 10.0 with 10 ms, 79.5 and
 * 10.7 with 4, and 54 to 79 and 10 to 32 with 1: a group that exceeds it even seldom loses its idling.
 */
const LONGEST = 10e6;
/**
 * While the device idles, a limit may come to let a request go that precedes the group, or the idling
 * may have lasted long enough. That is checked this often, in ns. A request mostly comes long before.
 */
const RECHECK = 1e6;

/**
 * Device idling, as in BFQ: a group that contends (Contenders), has requests in flight and none that
 * waits, keeps a free place. Its next request comes as soon as one in flight completes, and by its start
 * tag that request will be first. If the place went to another group, this one would lose part of its
 * share: 2 x 128 threads of weights 80:20 on a virtio disk got 79.2 in a window of 96 and 70.6 in one of
 * 128 without idling, and 80.0 with it, for no loss of throughput that could be measured.
 *
 * A group whose next request takes too long loses the place, and contends no more until it is looked at
 * again. Devices idle one by one: a group keeps no place on a device that it has no requests for.
 */
export class DeviceIdling {
  /** By device: 1 after `holdsBack` if requests wait that may go, and it idles for a group instead. */
  readonly #isIdling: Uint8Array;
  /** By device: groups that it would idle for. */
  readonly #count: Int32Array;
  #idledAt = 0;
  readonly #nodes: NodeTable;
  /** By parent: the groups below it that the device would idle for, by start tag, as read entries. */
  readonly #heaps: Heap[] = [];

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
    this.#isIdling = new Uint8Array(nodes.devices);
    this.#count = new Int32Array(nodes.devices);
  }

  isIdling(device: number): boolean {
    return this.#isIdling[device] === 1;
  }

  /** A new choice is made for a device. */
  reset(device: number): void {
    this.#isIdling[device] = 0;
  }

  /** Call once for every node that has groups or members below it. */
  addGroup(node: number): void {
    this.#heaps[node] ??= new Heap(this.#nodes, this.#nodes);
  }

  /** The device would idle for a group. */
  mayIdle(device: number): boolean {
    return this.#count[device] > 0;
  }

  /** Time in ns at which to choose again while the device idles. */
  get recheckAt(): number {
    return this.#idledAt + RECHECK;
  }

  /** Nothing below the node may be sent any more: idles for it from now on if it deserves that. */
  begin(node: number, now: number): void {
    const nodes = this.#nodes;
    if (nodes.isContender[node] === 0 || nodes.isIdledFor[node] === 1) return;
    // Requests that wait here are stopped by a latency target, and no new request would help.
    if (nodes.inflight[node] === 0 || nodes.queued[node] > 0) return;
    nodes.isIdledFor[node] = 1;
    nodes.idledSince[node] = now;
    this.#count[nodes.deviceOf(node)]++;
    this.#heaps[nodes.parent[node]].set(2 * node, nodes.startTag[node]);
  }

  /** The node has a request to send again, or none in flight. */
  stop(node: number): void {
    if (this.#nodes.isIdledFor[node] === 0) return;
    this.#end(node);
    this.reset(this.#nodes.deviceOf(node));
  }

  /** True if at some level a group that the device idles for precedes the entry. */
  holdsBack(entry: number, now: number): boolean {
    const { parent } = this.#nodes;
    const device = this.#nodes.deviceOf(entry >> 1);
    if (!this.mayIdle(device)) return false;
    this.#idledAt = now;
    for (let node = parent[entry >> 1]; parent[node] !== NONE; node = parent[node]) {
      if (this.#isPreceded(node, now)) this.#isIdling[device] = 1;
    }
    return this.isIdling(device);
  }

  /** Idles for no group, until `begin` is called again. */
  clear(): void {
    this.#nodes.isIdledFor.fill(0);
    this.#isIdling.fill(0);
    this.#count.fill(0);
    for (const heap of this.#heaps) if (heap !== undefined) heap.clear();
  }

  #end(node: number): void {
    const nodes = this.#nodes;
    nodes.isIdledFor[node] = 0;
    this.#count[nodes.deviceOf(node)]--;
    this.#heaps[nodes.parent[node]].remove(2 * node);
  }

  #isPreceded(child: number, now: number): boolean {
    const { startTag, parent, idledSince, isContender } = this.#nodes;
    const heap = this.#heaps[parent[child]];
    for (let first = heap.top(); first !== NONE; first = heap.top()) {
      const node = first >> 1;
      if (startTag[node] >= startTag[child]) return false;
      if (now < idledSince[node] + LONGEST) return true;
      this.#end(node);
      isContender[node] = 0;
    }
    return false;
  }
}
