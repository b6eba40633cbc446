import type { Caller as Named } from '../../server/caller-names.js';

/** Their cgroup is told by some, and not needed here. */
type Caller = Omit<Named, 'cgroup'>;

/** A process that makes requests, with what it has had done each second since the look before. */
export interface CallerRow<Of extends Caller = Named> {
  readonly caller: Of;
  readonly requests: number;
  /** Bytes. */
  readonly read: number;
  readonly written: number;
  /** Means of its requests, ns; null without requests. */
  readonly waitNs: number | null;
  readonly serviceNs: number | null;
}

interface Sums {
  readonly requests: number;
  readonly read: number;
  readonly written: number;
  readonly waitNs: number;
  readonly serviceNs: number;
}

const NOTHING: Sums = { requests: 0, read: 0, written: 0, waitNs: 0, serviceNs: 0 };

/** Writes include discards, as for limits. */
function sumsOf({ rios, wios, dios, rbytes, wbytes, dbytes, waitNs, serviceNs }: Caller): Sums {
  const requests = rios + wios + dios;
  return { requests, read: rbytes, written: wbytes + dbytes, waitNs, serviceNs };
}

const keyOf = ({ pid, command }: Caller): string => `${pid} ${command}`;

/** Callers over time: the daemon counts since it follows them, and people want to know what they do now. */
export class CallerRates<Of extends Caller = Named> {
  #before = new Map<string, Sums>();
  #beforeMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs Time of this look. */
  next(callers: readonly Of[], nowMs: number): CallerRow<Of>[] {
    const rows = callers.map((caller) => this.#row(caller, nowMs));
    this.#before = new Map(callers.map((caller) => [keyOf(caller), sumsOf(caller)]));
    this.#beforeMs = nowMs;
    return rows;
  }

  #row(caller: Of, nowMs: number): CallerRow<Of> {
    const now = sumsOf(caller);
    const known = this.#before.get(keyOf(caller));
    // Of a process that has lost a thread, or is followed anew, what was before is not in the sums.
    const before = known !== undefined && known.requests <= now.requests ? known : NOTHING;
    const followed = caller.followedNs / 1e9;
    const since = (nowMs - this.#beforeMs) / 1000;
    const seconds = Math.max(0.001, before === NOTHING ? followed : Math.min(since, followed));
    const requests = now.requests - before.requests;
    const mean = (key: 'waitNs' | 'serviceNs'): number | null =>
      requests === 0 ? null : Math.max(0, now[key] - before[key]) / requests;
    return {
      caller,
      requests: requests / seconds,
      read: Math.max(0, now.read - before.read) / seconds,
      written: Math.max(0, now.written - before.written) / seconds,
      waitNs: mean('waitNs'),
      serviceNs: mean('serviceNs'),
    };
  }
}
