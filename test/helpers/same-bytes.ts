import type { ExecutionContext } from 'ava';

/**
 * Compares bytes. `t.deepEqual` compares them one by one, takes 4 s for a MiB, and prints them all.
 *
 * @param actual An errno instead of bytes fails too.
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

/** A short text about the first difference of two contents; null if they are the same. */
export function difference(actual: Uint8Array, expected: Uint8Array): string | null {
  if (Buffer.compare(actual, expected) === 0) return null;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  const lengths = `lengths ${actual.length}, ${expected.length}`;
  return `byte ${at} is ${actual[at]}, not ${expected[at]}; ${lengths}`;
}
