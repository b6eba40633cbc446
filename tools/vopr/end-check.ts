import type { DataPlane } from '../../src/loop/data-plane.js';
import type { End } from '../../src/server/lifecycle.js';
import type { Throttle } from '../../src/throttle/throttle.js';
import type { LimitsCheck } from './limits-check.js';
import { Failure } from './world.js';

/** Exit codes of the daemon, as the manual has them, by the event that has decided the end. */
const EXITS: Readonly<Record<string, (end: End) => number>> = {
  failed: () => 1,
  flushed: ({ wasServing, wasAsked }) => (wasServing ? 0 : wasAsked ? 1 : 4),
  'flush-failed': () => 1,
  crashed: ({ wasServing }) => (wasServing ? 5 : 4),
  abort: ({ wasServing }) => (wasServing ? 5 : 1),
};

/**
 * The exit code is that of the manual.
 *
 * @param code What the daemon has ended with.
 * @param message Its last sentence.
 */
export function checkExit(end: End, code: number, message: string): void {
  const { kind } = end.cause;
  const wanted = EXITS[kind]?.(end);
  if (code !== wanted) throw new Failure(`${kind}: exit ${code}, not ${wanted}: ${message}`);
}

/** After the drain no limit holds a request back. */
export function checkReleased(throttle: Throttle): void {
  const { queued, inflight } = throttle.groupStats(throttle.root);
  if (queued === 0 || inflight >= throttle.depth) return;
  throw new Failure(`${queued} requests wait, although the mount is being drained`);
}

/** The thread has ended. @param kept Slots that are taken, besides those of receives. */
export function checkSlots(kept: number): void {
  if (kept > 0) throw new Failure(`${kept} slots stay taken`);
}

/** Everything has been given back. */
export function checkEmpty({ plane, throttle }: DataPlane, { counts }: LimitsCheck): void {
  const { requests } = plane;
  if (requests.count !== 0) throw new Failure(`${requests.count} requests stay behind`);
  if (plane.pooled !== 0) throw new Failure(`${plane.pooled} places of the pool stay taken`);
  if (plane.inFlight !== 0) throw new Failure(`${plane.inFlight} requests stay in flight`);
  const { rios, wios, dios, rbytes, wbytes, dbytes, queued, inflight } = throttle.groupStats(
    throttle.root,
  );
  const { reads, writes, discards, bytes } = counts;
  const isRight =
    rios === reads &&
    wios === writes &&
    dios === discards &&
    rbytes + wbytes + dbytes === bytes &&
    queued + inflight === 0;
  if (isRight) return;
  const counted = `${rios} ${wios} ${dios} ${rbytes + wbytes + dbytes} ${queued} ${inflight}`;
  throw new Failure(`counted ${counted}, admitted ${reads} ${writes} ${discards} ${bytes}`);
}
