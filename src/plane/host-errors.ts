import { ERRNO, hostErrorText } from '../util/errno.js';

const MINUTE_NS = 60e9;
/** Errors that are the host's; others are answers to what the caller asked. */
const TOLD = new Set([ERRNO.EIO, ERRNO.ENOSPC, ERRNO.EDQUOT]);

interface Kind {
  text: string;
  toldNs: number;
  more: number;
}

/**
 * Says in the log that the host refuses: the first error of each kind (image, operation, errno) at once,
 * then at the next one after a minute how many there were.
 */
export class HostErrors {
  readonly #kinds = new Map<string, Kind>();
  readonly #warn: (text: string) => void;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  /** @param offset -1: none. @param result -errno. @param nowNs Nanoseconds of any clock that does not go back. */
  add(image: string, operation: string, offset: number, result: number, nowNs: number): void {
    if (!TOLD.has(-result)) return;
    const text = `${image}: ${operation}: ${hostErrorText(result)}`;
    const kind = this.#kinds.get(text);
    if (kind === undefined) {
      this.#kinds.set(text, { text, toldNs: nowNs, more: 0 });
      this.#warn(`${text}${offset < 0 ? '' : `, at byte ${offset}`}`);
      return;
    }
    kind.more++;
    if (nowNs - kind.toldNs < MINUTE_NS) return;
    this.#warn(
      `${text}: ${kind.more} more times${offset < 0 ? '' : `, the last at byte ${offset}`}`,
    );
    kind.toldNs = nowNs;
    kind.more = 0;
  }
}
