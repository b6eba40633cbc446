import { Random } from '../exerciser/random.js';
import type { DeathPlan } from './death.js';
import type { SessionPlan, Wishes } from './plan.js';
import { isOld, makeSteps, type Operation } from './plan-callers.js';

// Runs whose daemons die at moments that others come to now and then.

/**
 * - `replies`: a change of what is open or of groups is made, and its reply has left or not.
 * - `bursts`: groups have used up their bursts.
 * - `partitions`: a partition that is open has left its table.
 */
export const TIGHT_DEATHS = ['replies', 'bursts', 'partitions'] as const;
export type TightDeath = (typeof TIGHT_DEATHS)[number];

/** One run of this many, of those that lose their daemons. */
const TIGHT_RUNS = 3;

/** Streams of random numbers. */
const CHOOSING = 870;
const SESSIONS = 880;
const STEPS = 99_000;
const STEPS_MOST = 100;
const RELOADS = STEPS + 5 * STEPS_MOST;

const MIB = 1 << 20;

/** What is tight in a run with deaths; null: nothing is. */
export function tightDeathOf(seed: number, wishes: Wishes): TightDeath | null {
  const random = new Random(seed, CHOOSING);
  const isDrawn = random.oneIn(TIGHT_RUNS);
  const drawn = TIGHT_DEATHS[random.below(TIGHT_DEATHS.length)]!;
  if (isOld(wishes) || wishes.loose === true) return null;
  if (wishes.tight === undefined) return isDrawn ? drawn : null;
  return TIGHT_DEATHS.find((one) => one === wishes.tight) ?? null;
}

/** The callers of a session come to what is tight, on a host that does not hinder them. */
export function tightenDeaths(
  session: SessionPlan,
  tight: TightDeath,
  number: number,
  seed: number,
  wishes: Wishes,
): void {
  // Two groups that always have requests get their shares where nothing else is the matter.
  if (session.weights !== null) return;
  session.tight = tight;
  const random = randomOf(seed, number);
  const { host } = session;
  Object.assign(host, { faults: 0, shorts: 0, stuck: 0, refusals: 0, room: Infinity });
  if (session.queues > 0) {
    const { waiting: _waiting, ...capacity } = session.capacity;
    Object.assign(session, { queues: 0, capacity: { ...capacity, poolBytes: MIB } });
  }
  Object.assign(session, { endNs: Infinity, disturbances: [] });
  if (tight !== 'replies') session.readOnly = false;
  // Disks stay in the groups whose bursts are used up.
  if (tight === 'bursts') {
    session.groups = 0;
    const isOther = ({ kind }: Operation): boolean => kind !== 'control';
    session.callers = session.callers.map((steps) => steps.filter(isOther));
  }
  const push = (kind: Operation['kind'], from: number, count: number): void => {
    const steps = { kind, from, count, longestNs: PAUSES_NS[tight] };
    session.callers.push(makeSteps(steps, number, random, wishes));
  };
  const [kind, callers, least, most] = CALLERS[tight];
  for (let caller = 0; caller < callers; caller++) {
    push(kind, STEPS + STEPS_MOST * caller, least + random.below(most - least + 1));
  }
  if (tight === 'replies' && random.oneIn(2)) push('reload images', RELOADS, 1 + random.below(4));
}

/** The kind of their steps, how many callers there are, and how many steps each has. */
const CALLERS: Readonly<
  Record<TightDeath, [kind: Operation['kind'], callers: number, least: number, most: number]>
> = {
  replies: ['change', 2, 4, 10],
  bursts: ['spend', 4, 10, 25],
  partitions: ['leave table', 1, 2, 4],
};

/** The longest pause before a step, nanoseconds. */
const PAUSES_NS: Readonly<Record<TightDeath, number>> = {
  replies: 20e6,
  bursts: 1e6,
  partitions: 5e6,
};

/** Changes that a death comes with, requests that it comes after, at most. */
const CHANGES = 12;
const REQUESTS = 120;
/** Parts of a state that are written when its daemon dies: all, or all but the head. */
const PARTS = [2, 3, 3];
/** Entries that the kernel takes before. */
const ENTRIES = 3;

/** The deaths of a session, in the place of those that it would have. */
export function tightDeaths(tight: TightDeath, number: number, seed: number): DeathPlan[] {
  const random = randomOf(seed, number + 10);
  return Array.from({ length: 1 + random.below(3) }, (): DeathPlan => {
    const isCounted = tight === 'bursts';
    const moment = random.oneIn(4) ? 'now' : random.oneIn(3) ? 'submit' : 'state';
    return {
      occasion: isCounted ? 'requests' : 'change',
      after: 1 + random.below(isCounted ? REQUESTS : CHANGES),
      moment,
      step: moment === 'state' ? PARTS[random.below(PARTS.length)]! : random.below(ENTRIES),
      again: random.oneIn(6) ? 1 : 0,
    };
  });
}

function randomOf(seed: number, number: number): Random {
  return new Random(seed, SESSIONS + number);
}

/** A burst that is soon used up, requests a second. */
export interface SmallBurst {
  limit: number;
  rate: number;
  seconds: number;
}

/** Slow ones show what is given anew, quick ones what is used just before a death. */
export function smallBurst(random: Random): SmallBurst {
  const limit = 3 + random.below(15);
  const rate = limit * (2 + random.below(random.oneIn(2) ? 6 : 200));
  const saved = 5 + random.below(40);
  return { limit, rate, seconds: Math.ceil((1000 * saved) / (rate - limit)) / 1000 };
}
