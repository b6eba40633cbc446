import type { Memory } from '../buffers/memory.js';
import { replyOffset } from '../buffers/memory.js';
import * as abi from '../fuse/abi.js';
import type { Dispatcher } from '../fuse/dispatch.js';
import { OPCODES } from '../fuse/opcodes.js';
import type { Transport } from '../fuse/transport.js';
import { describe } from './describe.js';
import { LINKED, REPLYING, type Requests } from './requests.js';

type HostFailed = (disk: number, operation: string, offset: number, result: number) => void;

/** Writes reply headers and sends replies. */
export class Replies {
  readonly #requests: Requests;
  readonly #memory: Memory;
  readonly #dispatcher: Dispatcher;
  readonly #transport: Transport;
  readonly #hostFailed: HostFailed;
  readonly #trace: ((text: string) => void) | null;

  /**
   * @param hostFailed Called with disk, operation, offset and -errno of what came to nothing.
   * @param trace Called with a line for each reply, if not null.
   */
  constructor(
    requests: Requests,
    memory: Memory,
    dispatcher: Dispatcher,
    transport: Transport,
    hostFailed: HostFailed,
    trace: ((text: string) => void) | null,
  ) {
    this.#hostFailed = hostFailed;
    this.#trace = trace;
    this.#requests = requests;
    this.#memory = memory;
    this.#dispatcher = dispatcher;
    this.#transport = transport;
  }

  /**
   * Answers with what a deferred operation came to, encoded by its opcode, from the reply area.
   * @param linked The result is what it will be if the transfer queued just before succeeds.
   */
  result(request: number, result: number, linked: boolean): void {
    const { opcode, node } = this.#requests;
    if (result < 0) this.#failed(request, result);
    const out = replyOffset(request) + abi.OUT_HEADER_BYTES;
    const length = this.#dispatcher.finish(opcode[request]!, node[request]!, result, out);
    this.payload(request, out, length, linked);
  }

  /** What was refused without asking the host never comes through `result`. */
  #failed(request: number, result: number): void {
    const { opcode, disk, offset } = this.#requests;
    const name = OPCODES[opcode[request]!]?.name ?? 'request';
    // Others have no offset: the slot still has that of an earlier request.
    const hasOffset = name === 'READ' || name === 'WRITE' || name === 'FALLOCATE';
    this.#hostFailed(disk[request]!, name, hasOffset ? offset[request]! : -1, result);
  }

  /**
   * Answers with `length` bytes that are, or by the time the reply goes out will be, at `offset` in
   * the plane's memory. The header takes the 16 bytes before. A negative length is an errno.
   */
  payload(request: number, offset: number, length: number, linked: boolean): void {
    const { view } = this.#memory;
    const { uniqueLow, uniqueHigh } = this.#requests;
    const bytes = abi.OUT_HEADER_BYTES + Math.max(length, 0);
    const header = offset - abi.OUT_HEADER_BYTES;
    view.setUint32(header + abi.OUT_LEN, bytes, true);
    view.setInt32(header + abi.OUT_ERROR, Math.min(length, 0), true);
    view.setUint32(header + abi.OUT_UNIQUE, uniqueLow[request]!, true);
    view.setUint32(header + abi.OUT_UNIQUE + 4, uniqueHigh[request]!, true);
    if (this.#trace !== null) this.#trace(describe(this.#requests, request, length));
    this.#requests.state[request] = linked ? LINKED : REPLYING;
    this.#transport.reply(request, header, bytes, linked);
  }
}
