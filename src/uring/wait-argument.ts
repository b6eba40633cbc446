import { mapAnonymous } from '../sys/memory.js';
import * as abi from './abi.js';

/**
 * The argument block of a wait with a timeout: struct io_uring_getevents_arg and behind it the
 * timespec that it points at, filled in place for each wait. The timeout travels with the wait, so
 * no timeout entry is ever queued, armed again or cancelled.
 */
export class WaitArgument {
  readonly address: number;
  readonly #view: DataView;

  constructor() {
    const { address, buffer } = mapAnonymous(4096);
    this.address = address;
    this.#view = new DataView(buffer);
    const timespec = BigInt(address + abi.GETEVENTS_ARG_BYTES);
    this.#view.setBigUint64(abi.GETEVENTS_ARG_TS, timespec, true);
  }

  /** @param timeoutNs Nanoseconds from now, finite, not negative. */
  set(timeoutNs: number): void {
    const seconds = Math.floor(timeoutNs / 1e9);
    this.#view.setUint32(abi.GETEVENTS_ARG_BYTES, seconds, true);
    this.#view.setUint32(abi.GETEVENTS_ARG_BYTES + 8, timeoutNs - seconds * 1e9, true);
  }
}
