import { makePlan, type Wishes } from './plan.js';

/**
 * Looks for the fewest operations of callers with which a seed still fails: takes halves, quarters and so
 * on of them away, for as long as it goes on failing.
 *
 * @param fails Whether the seed fails with these operations only.
 * @returns Their streams.
 */
export async function shrink(
  seed: number,
  wishes: Wishes,
  fails: (keep: ReadonlySet<number>) => Promise<boolean>,
): Promise<Set<number>> {
  const { sessions } = makePlan(seed, wishes);
  let kept = sessions.flatMap(({ callers }) => callers.flat().map(({ stream }) => stream));
  for (let size = Math.ceil(kept.length / 2); size >= 1; ) {
    let isSmaller = false;
    for (let at = 0; at < kept.length; ) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(new Set(fewer))) {
        kept = fewer;
        isSmaller = true;
      } else at += size;
    }
    if (size === 1 && !isSmaller) break;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return new Set(kept);
}
