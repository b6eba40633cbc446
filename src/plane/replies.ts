import { hasRange, OPERATION_NAMES } from './operation.js';
import { LINKED, REPLYING, type Requests } from './requests.js';
import type { Transport } from './transport.js';

type HostFailed = (disk: number, operation: string, offset: number, result: number) => void;

/** Hands the results of operations to the transport. */
export class Replies {
  /** Set before the first request comes. */
  transport!: Transport;
  readonly #requests: Requests;
  readonly #hostFailed: HostFailed;

  /** @param hostFailed Called with disk, operation, offset and -errno of an operation that failed. */
  constructor(requests: Requests, hostFailed: HostFailed) {
    this.#requests = requests;
    this.#hostFailed = hostFailed;
  }

  /** See `Transport.reply`. A `linked` reply has the result of the transfer, should that succeed. */
  send(request: number, result: number, at: number, linked: boolean, source = 0): void {
    if (result < 0) this.#failed(request, result);
    this.#requests.state[request] = linked ? LINKED : REPLYING;
    this.transport.reply(request, result, at, linked, source);
  }

  /** An error that the user wants: it is none of the host, and no line of the log. */
  fail(request: number, errno: number): void {
    this.#requests.state[request] = REPLYING;
    this.transport.reply(request, errno, 0, false);
  }

  #failed(request: number, result: number): void {
    const { operation, disk, offset } = this.#requests;
    const asked = operation[request]!;
    // The column still has the offset of an earlier request where this one has none.
    const at = hasRange(asked) ? offset[request]! : -1;
    this.#hostFailed(disk[request]!, OPERATION_NAMES[asked]!, at, result);
  }
}
