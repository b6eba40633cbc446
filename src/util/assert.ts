/** Throws on a mistake in this program. Always on: a wrong byte is worse than an end. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}
