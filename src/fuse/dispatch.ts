import { type Memory, replyOffset, SLOT_REQUEST, slotOffset } from '../buffers/memory.js';
import { DEFERRED, type DiskService, type Owner, type Transport } from '../plane/transport.js';
import type { Tree, TreeNode } from '../tree/tree.js';
import { ERRNO } from '../util/errno.js';
import * as abi from './abi.js';
import { Attributes } from './attributes.js';
import { BackingFiles } from './backing-files.js';
import type { OpenControls } from './control-handles.js';
import { ownData } from './decode.js';
import { describe } from './describe.js';
import { Files } from './files.js';
import type { Negotiated } from './init.js';
import { KeptReplies, type KeptReply } from './kept-replies.js';
import { OPCODES, type Opcode } from './opcodes.js';
import { NO_REPLY, type Protocol } from './protocol.js';
import { getU64, writeReplyHeader } from './wire.js';

const NONE = new Int32Array(0);

/** Takes replies to the kernel. */
export interface Wire {
  /**
   * Sends `length` bytes of the plane's memory from `offset`: header and payload. They must stay as
   * they are until the reply has left.
   * @param linked The reply waits for the transfer that was queued just before it.
   * @param source Address of the payload; 0: it is behind the header.
   */
  send(request: number, offset: number, length: number, linked: boolean, source: number): void;
}

/** What the kernel and a daemon know of each other. Plain data. */
export interface SessionState {
  /** The terms that they agreed on in INIT. */
  agreed: Negotiated;
  /** The control files that are open. */
  controls: OpenControls;
  replies: KeptReply[];
}

/** The parts of the dispatcher. */
export interface DispatcherOptions {
  memory: Memory;
  disks: DiskService;
  tree: Tree;
  wire: Wire;
  owner: Owner;
  /** Let the kernel cache disks. */
  pageCache: boolean;
  /** The files of disks that are passed through; missing: there are none. */
  backings?: BackingFiles;
  /** The queues of FUSE over io_uring, if the kernel offers that; null: requests come over /dev/fuse. */
  queues?: { readonly maxBackground: number } | null;
  /** Called when the reply to INIT has left; false: the kernel is too old and was refused. */
  initialised: (accepted: boolean) => void;
  /** Called with a line for each reply; null costs nothing. */
  trace: ((text: string) => void) | null;
}

/**
 * The FUSE protocol without a descriptor: requests come as bytes in a slot, replies leave as bytes
 * through a wire. The only place where headers of requests are read.
 */
export class Dispatcher implements Transport {
  /** The reply to INIT has left. */
  isServing = false;
  /** Set by INIT. */
  readonly agreed: Negotiated = { minor: 0, flags: 0, flags2: 0 };

  readonly #protocol: Protocol;
  readonly #memory: Memory;
  readonly #wire: Wire;
  readonly #initialised: (accepted: boolean) => void;
  readonly #trace: ((text: string) => void) | null;
  /** Of each request under way. */
  readonly #opcode: Uint32Array;
  readonly #node: Float64Array;
  /** Those of processes before. */
  readonly #replies: KeptReplies;
  /** Replies to requests that must not be carried out twice. */
  #onceReplies = 0;

  constructor(options: DispatcherOptions) {
    const { memory, disks, tree, pageCache, owner } = options;
    this.#memory = memory;
    this.#replies = new KeptReplies(memory, disks.requests);
    this.#opcode = new Uint32Array(memory.capacity.requests);
    this.#node = new Float64Array(memory.capacity.requests);
    this.#wire = options.wire;
    this.#initialised = options.initialised;
    this.#trace = options.trace;
    const { backings = new BackingFiles([]), queues = null } = options;
    const passes = backings.isWanted ? abi.PASSTHROUGH : 0;
    this.#protocol = {
      view: memory.view,
      bytes: memory.bytes,
      requests: disks.requests,
      disks,
      tree,
      files: new Files(disks, pageCache),
      attributes: new Attributes(disks, tree, owner),
      pageCache,
      backings,
      more: passes | (queues === null ? 0 : abi.OVER_IO_URING),
      maxBackground: queues?.maxBackground,
      agreed: this.agreed,
    };
  }

  /** @param sent Requests whose replies are about to leave: the first `count`. */
  carryOut(sent: Int32Array = NONE, count = 0): SessionState {
    const { view } = this.#memory;
    const { tree } = this.#protocol;
    const once = [...sent.subarray(0, count)].filter((request) => {
      const row = OPCODES[this.#opcode[request]!];
      const error = view.getInt32(replyOffset(request) + abi.OUT_ERROR, true);
      return row !== undefined && isOnce(row, tree.node(this.#node[request]!), error);
    });
    return {
      agreed: { ...this.agreed },
      controls: this.#protocol.files.handles.carryOut(),
      replies: this.#replies.carryOut(once),
    };
  }

  /** Changes of control files, and replies to what must not be carried out twice. It only grows. */
  get changes(): number {
    return this.#protocol.files.handles.changes + this.#onceReplies;
  }

  /** Goes on with a session that another process has begun: INIT does not come again. */
  carryIn({ agreed, controls, replies }: SessionState): void {
    Object.assign(this.agreed, agreed);
    this.#protocol.files.handles.carryIn(controls);
    this.#replies.carryIn(replies);
    this.isServing = true;
  }

  /** A request of `bytes` is in `slot`. */
  received(slot: number, bytes: number): void {
    const at = slotOffset(slot) + SLOT_REQUEST;
    const header = abi.IN_HEADER_BYTES;
    this.#received(slot, 0, at, at + header, bytes - header);
  }

  /** A request is in `slot`, which the transport lends to it: header at `at`, the rest at `body`. */
  lent(slot: number, at: number, body: number, length: number): void {
    this.#received(slot, 1, at, body, length);
  }

  #received(slot: number, lent: number, at: number, body: number, length: number): void {
    const { requests, disks } = this.#protocol;
    const { words, view } = this.#memory;
    const request = requests.take();
    requests.slot[request] = slot;
    requests.lent[request] = lent;
    requests.uniqueLow[request] = words[(at + abi.IN_UNIQUE) >> 2]!;
    requests.uniqueHigh[request] = words[(at + abi.IN_UNIQUE + 4) >> 2]!;
    requests.uid[request] = words[(at + abi.IN_UID) >> 2]!;
    requests.gid[request] = words[(at + abi.IN_GID) >> 2]!;
    requests.thread[request] = words[(at + abi.IN_PID) >> 2]!;
    this.#opcode[request] = words[(at + abi.IN_OPCODE) >> 2]!;
    this.#node[request] = getU64(view, at + abi.IN_NODEID);
    const kept = this.#replies.repeat(request);
    if (kept > 0) {
      this.#wire.send(request, replyOffset(request), kept, false, 0);
      return;
    }
    const result = this.#begin(request, body, length);
    if (result === DEFERRED) return;
    if (result === NO_REPLY) disks.replied(request);
    else this.reply(request, result, ownData(this.#protocol, request), false);
  }

  #begin(request: number, body: number, length: number): number {
    const protocol = this.#protocol;
    const row = OPCODES[this.#opcode[request]!];
    if (row === undefined) return -ERRNO.ENOSYS;
    if (length < row.minBytes) return -ERRNO.EIO;
    const node = protocol.tree.node(this.#node[request]!);
    if (node === undefined && row.gone !== 0) return row.gone;
    return row.begin(protocol, request, node!, body, length);
  }

  reply(request: number, result: number, at: number, linked: boolean, source = 0): void {
    const { requests, tree } = this.#protocol;
    const row = OPCODES[this.#opcode[request]!];
    const node = row?.encode == null ? undefined : tree.node(this.#node[request]!);
    let error = Math.min(result, 0);
    let payload = replyOffset(request) + abi.OUT_HEADER_BYTES;
    let bytes = 0;
    if (result >= 0 && row!.hasData) {
      bytes = result;
      if (bytes > 0) payload = at;
    } else if (result >= 0 && row!.encode !== null) {
      if (node === undefined && row!.gone !== 0) error = -ERRNO.ESTALE;
      else bytes = row!.encode(this.#protocol, payload, result, node!, request);
    }
    if (row !== undefined && isOnce(row, node, error)) this.#onceReplies++;
    const header = payload - abi.OUT_HEADER_BYTES;
    const { uniqueLow, uniqueHigh } = requests;
    const { view } = this.#memory;
    writeReplyHeader(view, header, uniqueLow[request]!, uniqueHigh[request]!, error, bytes);
    if (this.#trace !== null) this.#traceReply(request, error < 0 ? error : bytes);
    this.#wire.send(request, header, abi.OUT_HEADER_BYTES + bytes, linked, source);
  }

  /** The reply to a request has left, or its caller is gone. */
  replied(request: number): void {
    const isInit = this.#opcode[request] === abi.INIT;
    this.#protocol.disks.replied(request);
    if (!isInit) return;
    this.isServing = true;
    this.#initialised(this.agreed.minor > 0);
  }

  #traceReply(request: number, bytes: number): void {
    const opcode = this.#opcode[request]!;
    const name = OPCODES[opcode]?.name ?? `opcode ${opcode}`;
    const node = this.#node[request]!;
    this.#trace!(describe(this.#protocol.requests, request, `${name} node ${node}`, bytes));
  }
}

/** A request with this answer must not be carried out again. */
function isOnce({ once }: Opcode, node: TreeNode | undefined, error: number): boolean {
  if (once === 'if it fails') return error < 0;
  if (once === 'of control files') return node?.kind === 'control';
  return once === 'always';
}
