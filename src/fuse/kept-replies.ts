import { type Memory, replyOffset } from '../buffers/memory.js';
import type { Requests } from '../plane/requests.js';
import * as abi from './abi.js';

/** Header and payload, by the ID of the request. Plain data. */
export type KeptReply = [unique: number, reply: Uint8Array];

const HIGH = 2 ** 32;

/**
 * Replies to requests that must not be carried out twice, for the process that goes on after the death of this one. They
 * are kept with the state that the requests have made, because it is not known whether they have left. If not, the kernel
 * sends the request again: then the reply is all that is left to do.
 */
export class KeptReplies {
  readonly #memory: Memory;
  readonly #requests: Requests;
  /** Those of processes before. What has left is never asked for again, and stays: a few for each death. */
  readonly #replies = new Map<number, Uint8Array>();

  constructor(memory: Memory, requests: Requests) {
    this.#memory = memory;
    this.#requests = requests;
  }

  /** @param sent Requests whose replies are complete: header and payload are in the place for replies. */
  carryOut(sent: readonly number[]): KeptReply[] {
    const { view, bytes } = this.#memory;
    const own = sent.map((request): KeptReply => {
      const at = replyOffset(request);
      const length = view.getUint32(at + abi.OUT_LEN, true);
      return [this.#uniqueOf(request), bytes.slice(at, at + length)];
    });
    return [...this.#replies, ...own];
  }

  carryIn(replies: readonly KeptReply[]): void {
    for (const [unique, reply] of replies) this.#replies.set(unique, reply);
  }

  /** Writes the reply to a request that has been carried out before. @returns Its bytes; 0: it has not. */
  repeat(request: number): number {
    if (this.#replies.size === 0) return 0;
    const { uniqueLow, uniqueHigh } = this.#requests;
    if (uniqueHigh[request]! < abi.RESENT_HIGH) return 0;
    const unique = this.#uniqueOf(request);
    const reply = this.#replies.get(unique);
    if (reply === undefined) return 0;
    this.#replies.delete(unique);
    const at = replyOffset(request);
    const { view, bytes } = this.#memory;
    bytes.set(reply, at);
    view.setUint32(at + abi.OUT_UNIQUE, uniqueLow[request]!, true);
    view.setUint32(at + abi.OUT_UNIQUE + 4, uniqueHigh[request]!, true);
    return reply.length;
  }

  /** The same whether it was sent again or not. */
  #uniqueOf(request: number): number {
    const { uniqueLow, uniqueHigh } = this.#requests;
    return (uniqueHigh[request]! % abi.RESENT_HIGH) * HIGH + uniqueLow[request]!;
  }
}
