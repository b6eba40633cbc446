import { type Memory, SLOT_DATA, SLOT_REQUEST, slotOffset } from '../../src/buffers/memory.js';
import * as abi from '../../src/fuse/abi.js';
import { clear, setU64 } from '../../src/fuse/wire.js';

/** A uid, gid and pid that no rule can name. (0 would be root.) */
const NOBODY_KNOWN = 0xffffffff;

/** Bytes of headers and body that any request here has, but for names and payloads. */
const CLEARED_BYTES = abi.IN_HEADER_BYTES + abi.SETATTR_IN_BYTES;

/** Writes requests as the kernel would send them, into slots of the plane's memory. */
export class RequestWriter {
  readonly #memory: Memory;
  #at = 0;
  #length = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Bytes of the request written so far. */
  get length(): number {
    return this.#length;
  }

  /** Begins a request in `slot`; a body of zeros is there already, `bodyBytes` of it count. */
  begin(slot: number, opcode: number, unique: number, node: number, bodyBytes: number): void {
    const { view } = this.#memory;
    // A WRITE's header ends right before the payload: nothing behind it may be touched.
    const at = slotOffset(slot) + SLOT_REQUEST;
    this.#at = at;
    this.#length = abi.IN_HEADER_BYTES + bodyBytes;
    clear(view, at, opcode === abi.WRITE ? SLOT_DATA - SLOT_REQUEST : CLEARED_BYTES);
    view.setUint32(at + abi.IN_LEN, this.#length, true);
    view.setUint32(at + abi.IN_OPCODE, opcode, true);
    setU64(view, at + abi.IN_UNIQUE, unique);
    setU64(view, at + abi.IN_NODEID, node);
    view.setUint32(at + abi.IN_UID, NOBODY_KNOWN, true);
    view.setUint32(at + abi.IN_GID, NOBODY_KNOWN, true);
    view.setUint32(at + abi.IN_PID, NOBODY_KNOWN, true);
  }

  word(offset: number, value: number): void {
    this.#memory.view.setUint32(this.#at + abi.IN_HEADER_BYTES + offset, value, true);
  }

  long(offset: number, value: number): void {
    setU64(this.#memory.view, this.#at + abi.IN_HEADER_BYTES + offset, value);
  }

  /** Puts bytes behind the body. */
  append(bytes: Uint8Array): void {
    this.#memory.bytes.set(bytes, this.#at + this.#length);
    this.#length += bytes.length;
    this.#memory.view.setUint32(this.#at + abi.IN_LEN, this.#length, true);
  }
}
