import { Random } from '../exerciser/random.js';
import { type DeathPlan, MOMENTS, OCCASIONS } from './death.js';
import { FAILINGS, type HandOverPlan } from './hand-overs.js';
import type { SessionPlan, Wishes } from './plan.js';
import { isOld } from './plan-callers.js';
import { hasRedoLog, type ImagePlan, TEMPLATES } from './plan-images.js';

// What becomes of the processes of a mount.

/** Streams of random numbers. */
const HANDING = 934;
const DYING = 938;
const REDOING = 930;

/** One run of so many has hand-overs, in most of its sessions. */
const HANDED_RUNS = 8;

/**
 * A view of an image is none of a configuration, an image on a simulated device has its end from the plan, and an export stays
 * where it is.
 */
export function makeHandOvers(
  session: SessionPlan,
  images: readonly ImagePlan[],
  number: number,
  seed: number,
  wishes: Wishes,
): HandOverPlan[] {
  // Both in one mount: a death while it goes from daemon to daemon.
  const isKept = session.deaths.length > 0 && new Random(seed, DYING + 10 + number).oneIn(3);
  const isDrawn = new Random(seed, HANDING).oneIn(HANDED_RUNS) || wishes.handOvers === true;
  const random = new Random(seed, HANDING + 1 + number);
  if (isOld(wishes) || !(isDrawn || isKept) || random.oneIn(6) || !canGo(session, images))
    return [];
  // It is refused there.
  if (session.queues > 0 && !random.oneIn(8)) return [];
  const most = [5, 30, 150][random.below(3)]!;
  const plans: HandOverPlan[] = [];
  do {
    const failing = random.oneIn(5) ? FAILINGS[random.below(FAILINGS.length)]! : null;
    plans.push({ after: 1 + random.below(most), failing, isTwice: random.oneIn(6) });
  } while (random.oneIn(2));
  return plans;
}

/** Another process can go on with the mount. */
function canGo({ remote }: SessionPlan, images: readonly ImagePlan[]): boolean {
  if (remote !== null) return false;
  if (images.some(({ views, onDevice }) => views.length > 0 || onDevice)) return false;
  // A table in a cluster that is compressed cannot be read in simulated time.
  const mayInflate = images.some(({ template }) => !isPlainTable(template));
  return (
    !mayInflate || images.every(({ template }) => TEMPLATES[template]!.partitions.length === 0)
  );
}

/** One run of so many has a keeper, in most of its sessions. */
const KEPT_RUNS = 8;
/** Entries that the kernel takes before a death at most. */
const STEPS = [1, 4, 40];

/** After a start, and others, nanoseconds. */
const LATER_NS = [100_000, 5e6, 60e6];

/** Images that are written are raw, or have a redo log. */
export function makeDeaths(
  session: SessionPlan,
  images: readonly ImagePlan[],
  number: number,
  seed: number,
  hasRedo: boolean,
): DeathPlan[] {
  const random = new Random(seed, DYING + 1 + number);
  const isWhole = images.every(({ template }) => {
    return TEMPLATES[template]!.kind === null || (hasRedo && hasRedoLog(template));
  });
  if (random.oneIn(6) || !canGo(session, images) || session.queues > 0) return [];
  if (!isWhole && !session.readOnly) return [];
  const most = [5, 30, 150][random.below(3)]!;
  const plans: DeathPlan[] = [];
  do {
    const isUsual = !random.oneIn(3);
    const occasion = isUsual ? 'requests' : OCCASIONS[random.below(OCCASIONS.length)]!;
    const isCounted = occasion === 'requests';
    plans.push({
      occasion,
      after: isCounted ? 1 + random.below(most) : random.below(LATER_NS[random.below(3)]!),
      moment: MOMENTS[random.below(MOMENTS.length)]!,
      step: random.below(STEPS[random.below(STEPS.length)]!),
      again: random.oneIn(4) ? 1 + random.below(2) : 0,
    });
  } while (!random.oneIn(3));
  return plans;
}

/** Null: the daemons of the run do not die. */
export function randomOfDeaths(seed: number, wishes: Wishes): Random | null {
  const isDrawn = wishes.handOvers !== true && new Random(seed, DYING).oneIn(KEPT_RUNS);
  const isWished = !isOld(wishes) && (isDrawn || wishes.crashes === true);
  return isWished ? new Random(seed, DYING - 1) : null;
}

/** Half of the runs with deaths have redo logs; seeds that failed before there were any have none. */
export function drawsRedo(seed: number, { redo }: Wishes): boolean {
  return redo ?? new Random(seed, REDOING).oneIn(2);
}

function isPlainTable(template: number): boolean {
  const { kind, partitions } = TEMPLATES[template]!;
  return kind === null || partitions.length > 0;
}
