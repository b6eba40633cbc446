import { Random } from '../exerciser/random.js';
import type { Wishes } from './plan.js';

/** Streams of operations have numbers from here on: as many for each session. */
const OPERATIONS = 100_000;
/** Streams for callers that came later, and of their operations. */
const WEIGHING = 600;
const REUSING = 700;
const LATER_OPERATIONS = 50_000;
const ORDERING = 800;
const ORDERS = 60_000;
const GROWING = 900;
const GROWTHS = 70_000;
const FAULTING = 970;
const FAULTS = 80_000;
const PARTITIONING = 980;
const PARTITIONINGS = 90_000;
const RELOADING = 990;
const RELOADS = 95_000;
const IMAGING = 658;
const IMAGES = 96_000;
const OVERLAYING = 920;
const OVERLAYS = 97_000;

const OPERATION_KINDS = [
  'read',
  'write',
  'zero',
  'punch',
  'reserve',
  'seek',
  'flush',
  'attributes',
  'times',
  'resize',
  'reopen',
  'interrupt',
  'space',
  'control',
  'odd',
] as const;
type OperationKind = (typeof OPERATION_KINDS)[number];

const WEIGHTS: Readonly<Record<OperationKind, number>> = {
  read: 30,
  write: 40,
  zero: 6,
  punch: 6,
  reserve: 3,
  seek: 4,
  flush: 8,
  attributes: 2,
  times: 1,
  resize: 2,
  reopen: 2,
  interrupt: 5,
  space: 1,
  control: 10,
  odd: 2,
};
const WEIGHT_SUM = Object.values(WEIGHTS).reduce((sum, weight) => sum + weight, 0);

/** One step of a caller. All else about it comes from the random numbers of its stream. */
export interface Operation {
  kind:
    | OperationKind
    | 'read first'
    | 'read second'
    | 'weigh'
    | 'reuse'
    | 'order'
    | 'grow'
    | 'faults'
    | 'repartition'
    | 'reload'
    | 'overlay'
    | 'extend'
    | 'fail flush'
    | 'change'
    | 'spend'
    | 'leave table'
    | 'reload images';
  stream: number;
  /** The caller pauses before it, nanoseconds. */
  pauseNs: number;
}

/** Callers of each group. */
const FAIR_CALLERS = 24;
const FAIR_READS = 20;
/** How often the weights change, and how long after the start at most, nanoseconds. */
const WEIGHINGS = 3;
const WEIGHING_NS = 20e6;

/** The callers of a session, with the steps of each: at most `most`. */
export function makeCallers(
  random: Random,
  isDeep: boolean,
  session: number,
  keep: ReadonlySet<number> | undefined,
  most: number,
): Operation[][] {
  const count = isDeep ? 20 + random.below(80) : 1 + random.below(8);
  const each = isDeep ? 1 + random.below(6) : 5 + random.below(40);
  const pause = [0, 10_000, 1e6][random.below(3)]!;
  // Each run has favourites, so that some runs are all flushes and some all control files.
  const favourite = OPERATION_KINDS[random.below(OPERATION_KINDS.length)]!;
  const callers: Operation[][] = [];
  let stream = OPERATIONS * (session + 1);
  for (let caller = 0; caller < count; caller++) {
    const operations: Operation[] = [];
    for (let i = 0; i < each; i++) {
      const kind = random.oneIn(6) ? favourite : choose(random);
      const pauseNs = random.below(pause + 1);
      stream++;
      if (i >= most) continue;
      if (keep === undefined || keep.has(stream)) operations.push({ kind, stream, pauseNs });
    }
    callers.push(operations);
  }
  return callers;
}

function choose(random: Random): OperationKind {
  let at = random.below(WEIGHT_SUM);
  for (const kind of OPERATION_KINDS) {
    at -= WEIGHTS[kind];
    if (at < 0) return kind;
  }
  return 'read';
}

/** Callers of two groups that always have requests, and one that changes the weights of both. */
export function makeFairCallers(
  session: number,
  { keep, early }: Wishes,
  seed: number,
): Operation[][] {
  let stream = OPERATIONS * (session + 1);
  const callers: Operation[][] = [];
  for (let caller = 0; caller < 2 * FAIR_CALLERS; caller++) {
    const kind = caller % 2 === 0 ? 'read first' : 'read second';
    const reads = Array.from({ length: FAIR_READS }, () => ({
      kind,
      stream: ++stream,
      pauseNs: 0,
    }));
    callers.push(reads.filter((one) => keep === undefined || keep.has(one.stream)) as Operation[]);
  }
  const random = new Random(seed, WEIGHING + session);
  if (early === true || random.oneIn(3)) return callers;
  const later = OPERATIONS * (session + 1) + LATER_OPERATIONS;
  const weighings = Array.from({ length: WEIGHINGS }, (_, index): Operation => {
    return { kind: 'weigh', stream: later + index, pauseNs: random.below(WEIGHING_NS) };
  });
  callers.push(weighings.filter(({ stream }) => keep === undefined || keep.has(stream)));
  return callers;
}

/** Callers for an image of compressed clusters: see `reuse.ts`. */
export function makeReusers(session: number, seed: number, { keep, early }: Wishes): Operation[][] {
  const random = new Random(seed, REUSING + session);
  if (early === true) return [];
  const later = OPERATIONS * (session + 1) + LATER_OPERATIONS;
  const count = 1 + random.below(3);
  const operations = Array.from({ length: count }, (_, index): Operation => {
    return { kind: 'reuse', stream: later + index, pauseNs: random.below(1e6) };
  });
  return [operations.filter(({ stream }) => keep === undefined || keep.has(stream))];
}

/** A session of this many has images that come and go. */
const ORDERLY = 3;
const PAUSES_NS = [1e6, 30e6, 300e6];

/** Callers that attach, detach and resize images, and the numbers of the images that come late. */
export function makeOrders(
  images: number,
  session: number,
  seed: number,
  { keep, early, fixed, failing }: Wishes,
): { callers: Operation[][]; late: number[] } {
  const random = new Random(seed, ORDERING + session);
  if (early === true || fixed === true || !random.oneIn(ORDERLY)) return { callers: [], late: [] };
  const late = Array.from({ length: images - 1 }, (_, index) => index + 1);
  let stream = OPERATIONS * (session + 1) + ORDERS;
  const callers: Operation[][] = [];
  for (let caller = 0; caller <= random.below(failing === undefined ? 3 : 1); caller++) {
    const pause = PAUSES_NS[random.below(PAUSES_NS.length)]!;
    const operations = Array.from({ length: 1 + random.below(6) }, (): Operation => {
      return { kind: 'order', stream: ++stream, pauseNs: random.below(pause) };
    });
    callers.push(operations.filter((one) => keep === undefined || keep.has(one.stream)));
  }
  return { callers, late: late.filter(() => random.oneIn(3)) };
}

/** A session of this many with an image that can get longer has a caller that makes it so. */
const GROWERS = 2;

/** A caller that makes images longer by orders. */
export function makeGrowers(session: number, seed: number, wishes: Wishes): Operation[][] {
  const streams = { choice: GROWING, operations: GROWTHS };
  return makeOthers('grow', GROWERS, streams, session, seed, wishes);
}

/** A session of this many has a user who wants faults of images. */
const FAULTERS = 6;

/** A caller that gives images faults, and takes them back. */
export function makeFaulters(session: number, seed: number, wishes: Wishes): Operation[][] {
  const streams = { choice: FAULTING, operations: FAULTS };
  return makeOthers('faults', FAULTERS, streams, session, seed, wishes);
}

/** A caller that partitions disks anew. */
export function makePartitioners(session: number, seed: number, wishes: Wishes): Operation[][] {
  const streams = { choice: PARTITIONING, operations: PARTITIONINGS };
  return makeOthers('repartition', 1, streams, session, seed, wishes);
}

/** A session of this many has a configuration file that is changed. */
const RELOADERS = 6;

/** A caller that changes the configuration file and has it read again. */
export function makeReloaders(session: number, seed: number, wishes: Wishes): Operation[][] {
  const streams = { choice: RELOADING, operations: RELOADS };
  return makeOthers('reload', RELOADERS, streams, session, seed, wishes);
}

/** A session of this many has a configuration file that gets other images. */
const IMAGERS = 4;

/** A caller that changes the images of the configuration file and has it read again. */
export function makeImageReloaders(session: number, seed: number, wishes: Wishes): Operation[][] {
  if (wishes.still === true) return [];
  const streams = { choice: IMAGING, operations: IMAGES };
  return makeOthers('reload images', IMAGERS, streams, session, seed, wishes);
}

/** A session of this many with an image that is an overlay has a caller for it. */
const OVERLAYERS = 2;

/** A caller that takes overlays away, and attaches them again. */
export function makeOverlayers(session: number, seed: number, wishes: Wishes): Operation[][] {
  const streams = { choice: OVERLAYING, operations: OVERLAYS };
  return makeOthers('overlay', OVERLAYERS, streams, session, seed, wishes);
}

/** Without all that came to the plan later than runs of different lengths. */
export function isOld({ early, fixed, long, failing }: Wishes): boolean {
  return early === true || fixed === true || long === true || failing !== undefined;
}

/** One session of `often` has a caller of its own for a kind of operation. */
function makeOthers(
  kind: Operation['kind'],
  often: number,
  streams: { choice: number; operations: number },
  session: number,
  seed: number,
  wishes: Wishes,
): Operation[][] {
  const random = new Random(seed, streams.choice + session);
  if (isOld(wishes) || !random.oneIn(often)) return [];
  const longestNs = PAUSES_NS[random.below(PAUSES_NS.length)]!;
  const steps = { kind, from: streams.operations, count: 1 + random.below(4), longestNs };
  return [makeSteps(steps, session, random, wishes)];
}

/** Steps of one caller that are of one kind. */
interface Steps {
  kind: Operation['kind'];
  /** The stream of the first one, within the session's. */
  from: number;
  count: number;
  /** The longest pause before a step. */
  longestNs: number;
}

export function makeSteps(
  { kind, from, count, longestNs }: Steps,
  session: number,
  random: Random,
  { keep }: Wishes,
): Operation[] {
  const first = OPERATIONS * (session + 1) + from;
  const steps = Array.from({ length: count }, (_, index): Operation => {
    return { kind, stream: first + index, pauseNs: random.below(longestNs) };
  });
  return steps.filter(({ stream }) => keep === undefined || keep.has(stream));
}
