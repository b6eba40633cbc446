/** Stops the program on a mistake of ours. Stays on in production: a wrong byte is worse than none. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}
