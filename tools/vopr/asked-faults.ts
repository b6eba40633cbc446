import { FAULTY, type Faulty, NO_FAULTS, parseFaults } from '../../src/control/faults.js';
import { ERRNO } from '../../src/util/errno.js';
import type { Random } from '../exerciser/random.js';

/** What a caller calls its requests that faults can be asked for. */
const KIND_OF: Readonly<Record<string, Faulty>> = {
  'a read': 'read',
  'a write': 'write',
  'an fallocate': 'discard',
  'an fsync': 'flush',
};
/** Errors that mean nothing else to callers here. */
const ERRNOS = ['EIO', 'ENOSPC', 'ETIMEDOUT', 'EBADMSG'] as const;
const DELAYS = ['100us', '20ms', '3s'];
const PARTS = ['1%', '20%', '100%'];

/** Faults that an image was asked to have. Times are ticks of the world. */
interface Asked {
  /** By kind: the errno, positive, and whether all requests get it. */
  readonly kinds: ReadonlyMap<Faulty, { errno: number; isAll: boolean }>;
  /** It may have them from then on, and has them from `set` on. */
  readonly from: number;
  set: number;
  /** It may have others from then on, and has none of these from `end` on. */
  until: number;
  end: number;
}

/** The faults that an image has had, by the orders of a user. */
export class AskedFaults {
  readonly #asked: Asked[] = [];

  /** None was ever asked for. */
  get isEmpty(): boolean {
    return this.#asked.length === 0;
  }

  /** An order is given. @returns To be called with its answer: it was carried out, or refused. */
  begin(words: string, from: number): (isDone: boolean, now: number) => void {
    const before = this.#asked.at(-1);
    const kinds = kindsOf(words);
    const asked = { kinds, from, set: Infinity, until: Infinity, end: Infinity };
    this.#asked.push(asked);
    if (before !== undefined) before.until = from;
    return (isDone, now) => {
      if (isDone) {
        asked.set = now;
        if (before !== undefined) before.end = now;
        return;
      }
      this.#asked.pop();
      if (before !== undefined) before.until = Infinity;
    };
  }

  /** The request may have this error. @param sent When it was sent; it is answered `now`. */
  explain(what: string, errno: number, sent: number, now: number): boolean {
    const kind = KIND_OF[what];
    return this.#asked.some(({ kinds, from, end }) => {
      return kind !== undefined && kinds.get(kind)?.errno === errno && sent < end && from < now;
    });
  }

  /** The request must fail. */
  demand(what: string, sent: number, now: number): boolean {
    const kind = KIND_OF[what];
    return this.#asked.some(({ kinds, set, until }) => {
      return kind !== undefined && kinds.get(kind)?.isAll === true && set < sent && now < until;
    });
  }
}

function kindsOf(words: string): Asked['kinds'] {
  const kinds = new Map<Faulty, { errno: number; isAll: boolean }>();
  const faults = parseFaults(words);
  for (const kind of faults === null ? [] : FAULTY) {
    const { error, errno } = faults![kind];
    const number = ERRNO[errno as keyof typeof ERRNO];
    if (error > 0) kinds.set(kind, { errno: number, isAll: error === 1 });
  }
  return kinds;
}

/** Words for faults, as a user gives them. */
export function faultWords(random: Random): string {
  if (random.oneIn(3)) return NO_FAULTS;
  const kind = random.oneIn(4) ? '' : `${FAULTY[random.below(FAULTY.length)]!}.`;
  const words = [`seed=${random.below(1000)}`];
  if (!random.oneIn(4)) {
    words.push(`${kind}error=${PARTS[random.below(PARTS.length)]!}`);
    words.push(`${kind}errno=${ERRNOS[random.below(ERRNOS.length)]!}`);
  }
  if (random.oneIn(2)) words.push(`${kind}delay=${DELAYS[random.below(DELAYS.length)]!}`);
  // A seed alone is refused.
  return words.length === 1 ? NO_FAULTS : words.join(',');
}
