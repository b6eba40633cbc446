import { Random } from '../exerciser/random.js';
import type { EndKind, SessionPlan, Wishes } from './plan.js';
import { isOld, makeSteps, type Operation } from './plan-callers.js';
import type { ImagePlan } from './plan-images.js';

// Runs in which one thing is tight: what others come to now and then happens there all the time.

/**
 * - `room`: the host's disk is nearly full, and gets room again when the mount ends.
 * - `shorts`: of few transfers one is short.
 * - `refusals`: of few replies one is refused by the kernel.
 * - `tables`: few requests, slots and places in flight; all images have limits, and come and go.
 * - `barriers`: disks get longer, and the power fails when a header has just been written.
 * - `flushes`: of most flushes an operation fails, and of nothing else.
 * - `far`: clusters lie behind 4 GiB.
 */
export const TIGHT = [
  'room',
  'shorts',
  'refusals',
  'tables',
  'barriers',
  'flushes',
  'far',
] as const;
export type Tight = (typeof TIGHT)[number];

/** What needs more than one thing to come together is drawn more often. */
const DRAWN: readonly Tight[] = [...TIGHT, 'room', 'tables', 'flushes'];

/** One run of this many, of those that neither have servers nor lose their daemons: a quarter of all. */
const TIGHT_RUNS = 3;

/** One of so many operations fails by itself: none does. */
const NO_OTHERS = 1e6;

/** Streams of random numbers. */
const CHOOSING = 850;
const SESSIONS = 860;
const STEPS = 98_000;

/** The longest pause before a step, nanoseconds. */
const PAUSE_NS = 20e6;

const MIB = 1 << 20;

/** What is tight in a run; null: nothing is. */
export function tightOf(seed: number, wishes: Wishes): Tight | null {
  const random = new Random(seed, CHOOSING);
  const isDrawn = random.oneIn(TIGHT_RUNS);
  const drawn = DRAWN[random.below(DRAWN.length)]!;
  if (isOld(wishes) || wishes.loose === true) return null;
  if (wishes.tight === undefined) return isDrawn && wishes.handOvers !== true ? drawn : null;
  return TIGHT.find((one) => one === wishes.tight) ?? null;
}

/** Makes one thing of a session tight. */
export function tighten(
  session: SessionPlan,
  tight: Tight,
  images: readonly ImagePlan[],
  number: number,
  seed: number,
  wishes: Wishes,
): void {
  // Two groups that always have requests get their shares where nothing else is the matter.
  if (session.weights !== null) return;
  session.tight = tight;
  const random = new Random(seed, SESSIONS + number);
  const { host } = session;
  if (tight === 'shorts') {
    host.shorts = 2 + random.below(random.oneIn(2) ? 2 : 9);
    // With larger blocks a read of a table has one block mostly, and is not short.
    host.alignment = 1;
    session.alignment = 1;
  }
  if (tight === 'refusals') {
    host.refusals = 2 + random.below(13);
    waitForAll(session, random);
  } else if (tight === 'room') {
    host.room = random.below(1 << (9 + random.below(10)));
    Object.assign(host, { faults: 0, stuck: 0 });
    endInOrder(session, random, wishes);
  } else if (tight === 'tables') {
    fillTables(session, images.length, random);
    waitForAll(session, random);
    addCaller(session, 'order', 2 + random.below(5), random, number, wishes);
  } else if (tight === 'barriers') {
    Object.assign(host, { faults: 0, stuck: 0 });
    waitForAll(session, random);
    if (wishes.end === undefined && random.oneIn(2)) session.end = 'power cut';
    addCaller(session, 'extend', 1 + random.below(6), random, number, wishes);
  } else if (tight === 'flushes') {
    Object.assign(host, { faults: NO_OTHERS, stuck: 0, shorts: 0 });
    waitForAll(session, random);
    endInOrder(session, random, wishes);
    addCaller(session, 'fail flush', 1 + random.below(4), random, number, wishes);
  }
}

/** The session ends when all callers have finished: one that gets no answer is found. */
function waitForAll(session: SessionPlan, random: Random): void {
  if (random.oneIn(4)) return;
  session.host.stuck = 0;
  session.endNs = Infinity;
  session.disturbances = [];
}

const ORDERLY: readonly EndKind[] = ['umount', 'terminate'];

/** The session ends so that all that was answered is in the images, and nothing else. */
function endInOrder(session: SessionPlan, random: Random, { end }: Wishes): void {
  if (end !== undefined || random.oneIn(4)) return;
  session.end = ORDERLY[random.below(ORDERLY.length)]!;
  session.disturbances = [];
}

/** So few that callers have them all, and so low limits that they keep them. */
function fillTables(session: SessionPlan, images: number, random: Random): void {
  // The last flush takes a request for each image; four are never those of callers.
  const requests = images + 5 + random.below(4);
  const inFlight = 1 + random.below(3);
  const poolBytes = random.below(2) * MIB;
  session.capacity = { requests, inFlight, receives: 2 + random.below(2), poolBytes };
  session.queues = 0;
}

/** A caller for what is tight. */
function addCaller(
  session: SessionPlan,
  kind: Operation['kind'],
  count: number,
  random: Random,
  number: number,
  wishes: Wishes,
): void {
  const steps = { kind, from: STEPS, count, longestNs: PAUSE_NS };
  session.callers.push(makeSteps(steps, number, random, wishes));
}

/** The limit of all images where tables are to be full, requests a second. */
export function tightLimit(random: Random): number {
  return 2 + random.below(60);
}
