import type { ExecutionContext } from 'ava';
import { Memory } from '../../src/buffers/memory.js';
import { buildMountConfig } from '../../src/cli/mount-config.js';
import type { MountArguments } from '../../src/cli/mount-options.js';
import * as abi from '../../src/fuse/abi.js';
import { Dispatcher, type Wire } from '../../src/fuse/dispatch.js';
import { inflate } from '../../src/image/inflate.js';
import { InflateCalls } from '../../src/image/inflate-calls.js';
import { assemble } from '../../src/plane/assemble.js';
import type { Plane } from '../../src/plane/plane.js';
import { openDisks } from '../../src/server/open-disks.js';
import { idOf } from '../../src/sys/id-names.js';
import * as proc from '../../src/sys/proc.js';
import type { Tree, TreeNode } from '../../src/tree/tree.js';
import { readMemory } from '../../tools/vopr/sim-pages.js';
import { type CoreEngine, ENGINES, type EngineName } from './core-engines.js';
import { RequestWriter } from './request-writer.js';

export interface Reply {
  error: number;
  payload: Buffer;
}

type OpenDisks = Awaited<ReturnType<typeof openDisks>>;

const QUIET = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Shared by all planes, which tests make one after the other: with 1.3 GiB of address space for each, garbage
 * is collected all the time.
 */
const memory = new Memory();

/** The data plane on an engine without a mount: requests and replies are bytes. */
export class CorePlane implements Wire {
  readonly tree: Tree;
  readonly #memory = memory;
  readonly #writer = new RequestWriter(memory);
  readonly #answers = new Map<number, (reply: Reply) => void>();
  readonly #plane: Plane;
  readonly #dispatcher: Dispatcher;
  readonly #engine: CoreEngine;
  #timer: NodeJS.Timeout | null = null;
  /** The simulated time in ns, which advances only while nothing is in flight; null: the real clock. */
  #simulatedNs: number | null = null;
  #unique = 2;

  /** @param args Words of `sluice mount`. */
  static async make(
    t: ExecutionContext,
    engine: EngineName,
    args: MountArguments,
  ): Promise<CorePlane> {
    const config = buildMountConfig(args, '/');
    const opened = await openDisks(config, QUIET as never);
    t.teardown(() => opened.close());
    const core = new CorePlane(engine, config, opened);
    t.teardown(() => core.#engine.end());
    return core;
  }

  private constructor(
    engine: EngineName,
    config: ReturnType<typeof buildMountConfig>,
    { disks }: OpenDisks,
  ) {
    this.#engine = ENGINES[engine].make({
      completed: (request, result) => this.#completed(request, result),
      isBusy: () => this.#plane.requests.count > 0,
    });
    const inflateCalls = new InflateCalls(async ({ request, method, bytes, clusterBytes }) => {
      inflateCalls.ended(request, await inflate(method, bytes, clusterBytes));
      this.#completed(request, 0);
    });
    const { groups, assignments, depth } = config;
    const about = '';
    const io = { engine: this.#engine.engine, memory: this.#memory, inflateCalls };
    // Requests have no process here: an interrupted caller counts as killed.
    const callers = { ...proc, idOf, isBeingKilled: () => true };
    const reports = { info: () => {}, warn: () => {} };
    const assembled = { disks, groups, assignments, depth, about };
    const { plane, tree } = assemble(assembled, { ...io, callers }, reports);
    this.tree = tree;
    this.#plane = plane;
    this.#dispatcher = new Dispatcher({
      memory: this.#memory,
      disks: this.#plane,
      tree,
      wire: this,
      owner: { uid: 0, gid: 0 },
      pageCache: false,
      initialised: () => {},
      trace: null,
    });
    this.#plane.connect(this.#dispatcher);
  }

  /** From now on limits apply in simulated time, independent of other work of the machine. */
  simulateTime(): void {
    this.#simulatedNs = performance.now() * 1e6;
  }

  get #nowNs(): number {
    return this.#simulatedNs ?? performance.now() * 1e6;
  }

  send(request: number, offset: number, length: number, _linked: boolean, source: number): void {
    const { view, bytes } = this.#memory;
    const unique = view.getUint32(offset + abi.OUT_UNIQUE, true);
    const error = view.getInt32(offset + abi.OUT_ERROR, true);
    const payload = Buffer.from(bytes.slice(offset + abi.OUT_HEADER_BYTES, offset + length));
    if (source !== 0) readMemory(source, payload);
    this.#answers.get(unique)!({ error, payload });
    this.#answers.delete(unique);
    setImmediate(() => {
      this.#dispatcher.replied(request);
      this.#turn();
    });
  }

  /** A node by its path below the root. */
  find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.tree.root;
    for (const name of path.split('/')) {
      node = node?.kind === 'directory' ? node.children.get(name) : undefined;
    }
    return node;
  }

  ask(
    opcode: number,
    node: number,
    bytes: number,
    fill?: (writer: RequestWriter) => void,
  ): Promise<Reply> {
    return new Promise((resolve) => {
      const unique = this.#unique;
      this.#unique += 2;
      this.#answers.set(unique, resolve);
      const slot = this.#memory.takeSlot();
      this.#writer.begin(slot, opcode, unique, node, bytes);
      fill?.(this.#writer);
      this.#plane.beginTurn(this.#nowNs);
      this.#dispatcher.received(slot, this.#writer.length);
      this.#turn();
    });
  }

  /** Interrupts the last request but `back`. An interrupt has no reply. */
  interrupt(back = 0): void {
    const slot = this.#memory.takeSlot();
    this.#writer.begin(slot, abi.INTERRUPT, this.#unique, 0, abi.INTERRUPT_IN_BYTES);
    this.#writer.long(abi.INTERRUPT_IN_UNIQUE, this.#unique - 2 * (back + 1));
    this.#plane.beginTurn(this.#nowNs);
    this.#dispatcher.received(slot, this.#writer.length);
    this.#turn();
  }

  /** Releases waiting requests, as an unmount does. */
  release(): void {
    this.#plane.releaseWaiting();
    this.#turn();
  }

  #completed(request: number, result: number): void {
    this.#plane.beginTurn(this.#nowNs);
    this.#engine.engine.ended?.(request);
    this.#plane.completed(request, result);
    this.#turn();
  }

  #turn(): void {
    this.#plane.beginTurn(this.#nowNs);
    this.#plane.endTurn();
    this.#engine.unplug();
    if (this.#simulatedNs !== null) {
      this.#advance();
      return;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    const wait = this.#plane.wakeAtNs / 1e6 - performance.now();
    this.#timer = wait === Infinity ? null : setTimeout(() => this.#turn(), Math.max(0, wait));
  }

  /** Advances the time to the moment at which the throttle wants another turn. */
  #advance(): void {
    const { inFlight, wakeAtNs } = this.#plane;
    if (inFlight > 0 || wakeAtNs === Infinity) return;
    this.#simulatedNs = Math.max(this.#nowNs, wakeAtNs);
    setImmediate(() => this.#turn());
  }
}
