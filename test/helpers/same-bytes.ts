import type { ExecutionContext } from 'ava';

/**
 * Compares bytes. `t.deepEqual` walks them one by one, which takes 4 s for a MiB, and prints them all.
 *
 * @param actual An errno where there should be bytes fails, too.
 */
export function sameBytes(
  t: ExecutionContext,
  actual: Uint8Array | number,
  expected: Uint8Array,
): void {
  if (typeof actual === 'number') {
    t.fail(`${actual} instead of ${expected.length} bytes`);
    return;
  }
  t.is(difference(actual, expected), null);
}

/** Where two contents differ first, as text; null if they are the same. Long dumps help nobody. */
export function difference(actual: Uint8Array, expected: Uint8Array): string | null {
  if (Buffer.compare(actual, expected) === 0) return null;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  const lengths = `lengths ${actual.length}, ${expected.length}`;
  return `byte ${at} is ${actual[at]}, not ${expected[at]}; ${lengths}`;
}
