import { ERRNO, hostErrorText } from '../util/errno.js';

const MINUTE_NS = 60e9;
/** Errors that are the host's; others are answers to what the caller asked. */
const TOLD = new Set([ERRNO.EIO, ERRNO.ENOSPC, ERRNO.EDQUOT]);

interface Kind {
  image: string;
  text: string;
  toldNs: number;
  /** Since then. */
  more: number;
  /** The last of them, -1: none. */
  offset: number;
}

/**
 * Says in the log that the host refuses: the first error of each kind (image, operation, errno) at once,
 * then once a minute how many more there were.
 */
export class HostErrors {
  readonly #kinds = new Map<string, Kind>();
  readonly #warn: (text: string) => void;
  #tellAtNs = Infinity;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  /** @param offset -1: none. @param result -errno. @param nowNs Nanoseconds of any clock that does not go back. */
  add(image: string, operation: string, offset: number, result: number, nowNs: number): void {
    if (!TOLD.has(-result)) return;
    const text = `${image}: ${operation}: ${hostErrorText(result)}`;
    const kind = this.#kinds.get(text);
    if (kind === undefined) {
      this.#kinds.set(text, { image, text, toldNs: nowNs, more: 0, offset });
      this.#warn(`${text}${offset < 0 ? '' : `, at byte ${offset}`}`);
      return;
    }
    kind.more++;
    kind.offset = offset;
    this.#tellAtNs = Math.min(this.#tellAtNs, Math.max(nowNs, kind.toldNs + MINUTE_NS));
  }

  /** An image goes: says what is untold of it, and forgets it. */
  forget(image: string): void {
    for (const [text, kind] of this.#kinds) {
      if (kind.image !== image) continue;
      this.#kinds.delete(text);
      if (kind.more > 0) this.#warn(moreText(kind));
    }
  }

  /** When `tell` has something to say, nanoseconds; Infinity: never. */
  get tellAtNs(): number {
    return this.#tellAtNs;
  }

  /** Writes the lines that are due by now: at the end of the mount, with Infinity, all of it. */
  tell(nowNs: number): void {
    this.#tellAtNs = Infinity;
    for (const kind of this.#kinds.values()) {
      if (kind.more === 0) continue;
      const dueNs = kind.toldNs + MINUTE_NS;
      if (dueNs > nowNs) {
        this.#tellAtNs = Math.min(this.#tellAtNs, dueNs);
        continue;
      }
      this.#warn(moreText(kind));
      kind.toldNs = nowNs;
      kind.more = 0;
    }
  }
}

function moreText({ text, more, offset }: Kind): string {
  const where = offset < 0 ? '' : `, the last at byte ${offset}`;
  return `${text}: ${more} more times${where}`;
}
