import type { DataPlane } from '../../src/loop/data-plane.js';
import type { KeptState } from '../../src/plane/kept-state.js';
import type { End } from '../../src/server/lifecycle.js';
import type { Throttle } from '../../src/throttle/throttle.js';
import { exitCodeOf, SluiceError } from '../../src/util/errors.js';
import type { Blame } from './blame.js';
import type { ControlPlane } from './control-plane.js';
import type { Coverage } from './coverage.js';
import type { Image } from './disks.js';
import type { FuseKernel } from './fuse-kernel.js';
import type { HostFiles } from './host-files.js';
import type { LimitsCheck } from './limits-check.js';
import type { SessionPlan } from './plan.js';
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
function checkExit(end: End, code: number, message: string): void {
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

/** The open files that a data plane keeps are those that the kernel has. Of an image that is gone the kernel may have some. */
export function checkOpens({ opens }: Pick<FuseKernel, 'opens'>, { plane }: KeptState): void {
  if (opens === null) return;
  const known = new Map(plane.images.flatMap(({ opens: own }) => own));
  const images = new Set(plane.images.map(({ name }) => name));
  for (const [path, id] of plane.nodes.ids) {
    const disk = /^\/([^/]+)\.raw$/.exec(path)?.[1];
    // One that is leaving is none any more.
    if (disk === undefined || !images.has(disk.split('.')[0]!)) continue;
    const count = known.get(disk) ?? 0;
    const found = opens.get(id) ?? 0;
    if (found !== count) throw new Failure(`${disk} is open ${found} times, and not ${count}`);
  }
}

/** Everything has been given back. */
function checkEmpty({ plane, throttle }: DataPlane, { counts }: LimitsCheck): void {
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

/** What the end of a session is judged by. */
export interface EndFacts {
  plan: SessionPlan;
  images: readonly Image[];
  files: HostFiles;
  blame: Blame;
  coverage: Coverage;
  control: ControlPlane;
  plane: DataPlane;
  limits: LimitsCheck;
  isDisturbed: boolean;
}

/**
 * Checks how a session has ended, and what it says.
 *
 * @returns All that was acknowledged is in the files: the end was in order.
 */
export function judgeEnd(facts: EndFacts): boolean {
  const { plan, images, files, blame, coverage, control, plane, limits, isDisturbed } = facts;
  const { conclusion } = control;
  if (conclusion === null) return false;
  const code = exitCodeOf(conclusion.error);
  const { end } = control.lifecycle;
  const { cause } = end;
  const message = conclusion.error instanceof SluiceError ? conclusion.error.message : '';
  coverage.add(`exit ${code} ${cause.kind}`);
  checkExit(end, code, message);
  const isInOrder = cause.kind === 'flushed';
  const mayCrash = isDisturbed || plan.end === 'crash';
  if (cause.kind === 'crashed' && !mayCrash) throw new Failure(cause.message);
  if (cause.kind === 'flush-failed' && files.faults === 0) throw new Failure(message);
  if (plan.weights !== null && isInOrder) {
    coverage.add('shares checked');
    limits.checkShares();
  }
  if (!isInOrder && cause.kind !== 'flush-failed') return false;
  checkEmpty(plane, limits);
  for (const image of images) {
    const { stay } = image;
    if (stay === null || stay.isToldOf || stay.readOnly || blame.toTellAt(image) === 0) continue;
    if (message.includes(image.path)) continue;
    throw new Failure(`${image.plan.name} lost data, and the end does not say so: ${message}`);
  }
  return isInOrder;
}
