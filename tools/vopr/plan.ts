import type { Capacity } from '../../src/buffers/memory.js';
import { Random } from '../exerciser/random.js';
import type { DeathPlan } from './death.js';
import type { HandOverPlan } from './hand-overs.js';
import { type HostPlan, makeHost } from './host-plan.js';
import type { RemotePlan } from './nbd-hosts.js';
import {
  isOld,
  makeCallers,
  makeFairCallers,
  makeFaulters,
  makeGrowers,
  makeImageReloaders,
  makeOrders,
  makeOverlayers,
  makePartitioners,
  makeReloaders,
  makeReusers,
  type Operation,
} from './plan-callers.js';
import { type ImagePlan, isReadOnly, makeImages, TEMPLATES } from './plan-images.js';
import { drawsRedo, makeDeaths, makeHandOvers, randomOfDeaths } from './plan-processes.js';
import { type Tight, tighten, tightOf } from './tight.js';
import { type TightDeath, tightDeathOf, tightDeaths, tightenDeaths } from './tight-deaths.js';

/** Streams of random numbers; those of the host have numbers from a thousand on, those of operations from 100,000 on. */
const SHAPE = 1;
const LATE = 7;
const LENGTH = 10;
const REMOTE = 950;
const OVERLAYING = 910;
const CAPACITIES = 500;

const MIB = 1 << 20;

/** Exports of a mount. */
const EXPORTS_MAX = 64;

/** Steps of a caller of a short run, at most. */
const SHORT_STEPS = 8;

/** How a session ends. */
export const ENDS = [
  'umount',
  'busy umount',
  'terminate',
  'terminate twice',
  'kill',
  'power cut',
  'crash',
  'abort',
] as const;
export type EndKind = (typeof ENDS)[number];
/** A power cut shows most about the order of writes, so it comes more often. */
const ENDINGS: readonly EndKind[] = [...ENDS, 'power cut', 'power cut'];

/** What happens to a session besides its end. */
export const DISTURBANCES = ['terminate', 'end now', 'unmount', 'crash', 'thread crash'] as const;
export interface Disturbance {
  kind: (typeof DISTURBANCES)[number];
  /** Nanoseconds after the start of the data plane; below 0: before it. */
  atNs: number;
}

/** One mount of the images. */
export interface SessionPlan {
  readOnly: boolean;
  alignment: number;
  depth: 'auto' | number;
  capacity: Capacity;
  /** Queues of FUSE over io_uring; 0: /dev/fuse only. */
  queues: number;
  pollUs: number;
  groups: number;
  host: HostPlan;
  /** The steps of each caller. */
  callers: Operation[][];
  /** Numbers of images that are not there at the start. */
  late: number[];
  end: EndKind;
  /** When it ends, nanoseconds after it is ready; Infinity: when all callers have finished. */
  endNs: number;
  disturbances: Disturbance[];
  /** INIT comes this late, nanoseconds. */
  initNs: number;
  /** Images that are on servers; null: none is. */
  remote: RemotePlan | null;
  /** The mount goes to another process so often, or does not. */
  handOvers: HandOverPlan[];
  /** Its daemons die so often: it has a keeper then. */
  deaths: DeathPlan[];
  /** Null, or the weights of the groups that the first two images are in, which have requests all the time. */
  weights: [number, number] | null;
  /** What is tight; null: nothing is. */
  tight: Tight | TightDeath | null;
}

/** All that happens in a run. */
export interface Plan {
  seed: number;
  images: ImagePlan[];
  sessions: SessionPlan[];
  judge: boolean;
}

/** What a run is asked to do otherwise. */
export interface Wishes {
  /** Only images of this template. */
  template?: number | undefined;
  end?: EndKind | undefined;
  /** No random faults, but this operation of the host fails in the first session. */
  failing?: number | undefined;
  forever?: boolean | undefined;
  /** qemu-img looks at all images, not at a sample; undefined: if `failing` is there. */
  judge?: boolean | undefined;
  /** Only these operations of callers, by stream. */
  keep?: ReadonlySet<number> | undefined;
  /** Without the kinds of images and callers that came after the seed has failed. */
  early?: boolean | undefined;
  /** No image comes or goes. */
  fixed?: boolean | undefined;
  /** Every run has all its sessions and callers all their steps, as `early` and `fixed` ones have. */
  long?: boolean | undefined;
  /** Every run has servers. */
  servers?: boolean | undefined;
  /** Every run has hand-overs. */
  handOvers?: boolean | undefined;
  /** Every run has deaths of daemons. */
  crashes?: boolean | undefined;
  /** This is tight in every run that can have it. */
  tight?: Tight | TightDeath | undefined;
  /** Nothing is tight, as in all runs before some were. */
  loose?: boolean | undefined;
  /** The images of no configuration file come and go, as before some did. */
  still?: boolean | undefined;
  /** Runs with deaths have qcow2 images, with redo logs; undefined: half of them. */
  redo?: boolean | undefined;
}

export function makePlan(seed: number, wishes: Wishes = {}): Plan {
  const random = new Random(seed, SHAPE);
  const overlays = isOld(wishes) ? null : new Random(seed, OVERLAYING);
  const servers = serversOf(seed, wishes);
  const deaths = servers === null ? randomOfDeaths(seed, wishes) : null;
  const tight = servers === null && deaths === null ? tightOf(seed, wishes) : null;
  const tightDeath = deaths === null ? null : tightDeathOf(seed, wishes);
  const hasRedo = drawsRedo(seed, wishes);
  const later = {
    late: new Random(seed, LATE),
    servers,
    overlays,
    deaths,
    tight,
    tightDeath,
    hasRedo,
  };
  const images = makeImages(random, later, wishes);
  // Where the clusters in use end on a device is known before its first session only.
  const isOne = wishes.failing !== undefined || images.some(({ onDevice }) => onDevice);
  const drawn = isOne ? 1 : 1 + random.below(3);
  const isShort = !isLong(seed, wishes);
  const count = isShort ? Math.ceil(drawn / 2) : drawn;
  const sessions: SessionPlan[] = [];
  for (let i = 0; i < count; i++) {
    sessions.push(makeSession(random, images, i, seed, wishes, isShort ? SHORT_STEPS : Infinity));
  }
  const hasBlocks = sessions.some(({ alignment }) => alignment === 4096);
  for (const image of images) {
    if (hasBlocks && TEMPLATES[image.template]!.kind === null) image.unit = 4096;
  }
  for (const [number, session] of sessions.entries()) {
    if (tight !== null) tighten(session, tight, images, number, seed, wishes);
    if (tightDeath !== null) tightenDeaths(session, tightDeath, number, seed, wishes);
    if (deaths !== null) session.deaths = makeDeaths(session, images, number, seed, hasRedo);
    if (tightDeath !== null && session.tight === tightDeath && session.deaths.length > 0) {
      session.deaths = tightDeaths(tightDeath, number, seed);
    }
    session.handOvers = makeHandOvers(session, images, number, seed, wishes);
  }
  const judge = wishes.judge ?? wishes.failing !== undefined;
  return { seed, images, sessions, judge };
}

/** A run of this many has servers in most of its sessions. */
const REMOTE_RUNS = 8;

/** The random numbers of a run that has servers; null: it has none. */
function serversOf(seed: number, wishes: Wishes): Random | null {
  const random = new Random(seed, REMOTE);
  const isDrawn = random.oneIn(REMOTE_RUNS);
  return !isOld(wishes) && (isDrawn || wishes.servers === true) ? random : null;
}

/** Most runs are short: what a run costs at all is most of their time, but in the same time more is reached. */
function isLong(seed: number, wishes: Wishes): boolean {
  return isOld(wishes) || new Random(seed, LENGTH).oneIn(4);
}

function isCompressed({ template }: ImagePlan): boolean {
  return TEMPLATES[template]!.kind?.compressedBytes !== undefined;
}

/** A raw image that grows need not end with a larger block than a sector. */
function alignmentsOf({ template, growable }: ImagePlan): readonly number[] {
  const { kind, alignments } = TEMPLATES[template]!;
  return kind === null && growable ? alignments.filter((one) => one <= 512) : alignments;
}

function makeSession(
  random: Random,
  images: readonly ImagePlan[],
  number: number,
  seed: number,
  wishes: Wishes,
  steps: number,
): SessionPlan {
  const alignments = images
    .map(alignmentsOf)
    .reduce((all, some) => all.filter((one) => some.includes(one)));
  const isOnlyRead = images.some(({ template }) => isReadOnly(template));
  if (wishes.failing === undefined && images.length > 1 && !isOnlyRead && random.oneIn(4)) {
    return makeFair(random, seed, number, wishes);
  }
  const isDeep = random.oneIn(6);
  const callers = makeCallers(random, isDeep, number, wishes.keep, steps);
  if (wishes.failing === undefined && images.some(isCompressed)) {
    callers.push(...makeReusers(number, seed, wishes));
  }
  const orders = makeOrders(images.length, number, seed, wishes);
  callers.push(...orders.callers);
  if (images.some(({ resizable }) => resizable)) callers.push(...makeGrowers(number, seed, wishes));
  callers.push(...makeFaulters(number, seed, wishes), ...makeReloaders(number, seed, wishes));
  callers.push(...makeImageReloaders(number, seed, wishes));
  if (images.some(({ overlaid }) => overlaid))
    callers.push(...makeOverlayers(number, seed, wishes));
  if (images.some(({ template }) => TEMPLATES[template]!.partitions.length > 0)) {
    callers.push(...makePartitioners(number, seed, wishes));
  }
  // What shows parts of an image, and a device, stays.
  const late = orders.late.filter((at) => !images[at]!.onDevice && images[at]!.views.length === 0);
  const host = makeHost(random, seed, number, alignments);
  if (wishes.failing !== undefined) {
    Object.assign(host, {
      ...{ faults: 0, shorts: 0, stuck: 0, refusals: 0 },
      failing: wishes.failing,
    });
    host.forever = wishes.forever === true;
  }
  const waits = host.stuck === 0 && random.oneIn(2);
  const end = wishes.end ?? ENDINGS[random.below(ENDINGS.length)]!;
  return {
    readOnly: random.oneIn(12) || isOnlyRead,
    alignment: host.alignment,
    depth: random.oneIn(2) ? 'auto' : 1 + random.below(random.oneIn(2) ? 8 : 256),
    ...makeWay(new Random(seed, CAPACITIES + number), images.length),
    pollUs: random.oneIn(4) ? 50 : 0,
    groups: random.oneIn(20) ? 50 + random.below(200) : random.below(7),
    host,
    callers,
    late,
    end,
    endNs: waits || wishes.failing !== undefined ? Infinity : random.below(200) * 1e6,
    disturbances: wishes.failing === undefined ? makeDisturbances(random) : [],
    initNs: random.oneIn(3) ? random.below(1e6) : 0,
    weights: null,
    remote: makeRemote(images, host.alignment, number, seed, wishes),
    handOvers: [],
    deaths: [],
    tight: null,
  };
}

/** Raw images that keep their size can be exports. */
function makeRemote(
  images: readonly ImagePlan[],
  block: number,
  number: number,
  seed: number,
  wishes: Wishes,
): RemotePlan | null {
  const random = new Random(seed, REMOTE + 1 + number);
  if (serversOf(seed, wishes) === null || random.oneIn(6)) return null;
  const can = images.filter(({ template, growable, views }) => {
    const { kind, size } = TEMPLATES[template]!;
    return kind === null && size > 0 && size % 512 === 0 && !growable && views.length === 0;
  });
  const chosen = can.filter(() => !random.oneIn(3)).slice(0, EXPORTS_MAX);
  if (chosen.length === 0) return null;
  return {
    images: chosen.map(({ name }) => name),
    block,
    losses: random.oneIn(4) ? 0 : 5 + random.below(100),
    crashes: 1 + random.below(3),
    faults: random.oneIn(2) ? 0 : 10 + random.below(100),
  };
}

/** More than callers ever use. */
const USUAL_CAPACITY: Capacity = {
  requests: 1024,
  inFlight: 256,
  receives: 33,
  poolBytes: 64 * MIB,
};

/** One session of four has FUSE over io_uring, where the slots of the pool's place are entries. */
function makeWay(random: Random, images: number): Pick<SessionPlan, 'capacity' | 'queues'> {
  const capacity = makeCapacity(random, images);
  if (!random.oneIn(4)) return { capacity, queues: 0 };
  const queues = 1 + random.below(4);
  const waiting = queues + random.below(random.oneIn(2) ? 16 : 200);
  const requests = Math.max(capacity.requests, capacity.receives + 2 * queues);
  return { capacity: { ...capacity, requests, waiting, poolBytes: 0 }, queues };
}

/** One data plane of four comes to the end of its requests, slots or pool. */
function makeCapacity(random: Random, images: number): Capacity {
  if (!random.oneIn(4)) return USUAL_CAPACITY;
  // The last flush takes a request for each image; four are never those of callers.
  const requests = images + 5 + random.below(40);
  const inFlight = 1 + random.below(random.oneIn(2) ? 4 : 32);
  return { requests, inFlight, receives: 2 + random.below(6), poolBytes: random.below(3) * MIB };
}

/** Two groups that always have requests, on a host without faults whose times do not vary much. */
function makeFair(random: Random, seed: number, number: number, wishes: Wishes): SessionPlan {
  const quiet = { faults: 0, failing: 0, forever: false, shorts: 0, stuck: 0, refusals: 0 };
  const times = { usualNs: 100_000, longestNs: 300_000, flushNs: 1e6 };
  const hostSeed = seed + 7919 * number;
  const host = { seed: hostSeed, ...quiet, ...times, plain: false, room: Infinity, alignment: 1 };
  const weights: [number, number] = [1 + random.below(100), 1 + random.below(100)];
  const callers = makeFairCallers(number, wishes, seed);
  return {
    ...{ readOnly: false, alignment: 1, depth: 1 + random.below(8), pollUs: 0, groups: 0 },
    ...{ capacity: USUAL_CAPACITY, queues: 0 },
    ...{ host, callers, late: [], end: 'umount', endNs: Infinity, disturbances: [], initNs: 0 },
    weights,
    remote: null,
    handOvers: [],
    deaths: [],
    tight: null,
  };
}

/** Mostly none; where there are some, any number at any time. */
function makeDisturbances(random: Random): Disturbance[] {
  const disturbances: Disturbance[] = [];
  while (random.oneIn(3)) {
    const kind = DISTURBANCES[random.below(DISTURBANCES.length)]!;
    const isEarly = random.oneIn(6) && (kind === 'terminate' || kind === 'end now');
    const atNs = isEarly ? -1 : random.below([1e6, 100e6, 20e9][random.below(3)]!);
    disturbances.push({ kind, atNs });
  }
  return disturbances;
}
