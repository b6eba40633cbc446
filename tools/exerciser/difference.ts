import { hex, type Journal } from './journal.js';
import { type ExerciseOptions, repeatCommand } from './options.js';

/** The file and the model differ. */
export class Difference extends Error {
  /** The range that differs; `to` is not included. */
  readonly from: number;
  readonly to: number;
  /** The operation that showed the difference. */
  readonly operation: number;

  constructor(message: string, operation: number, from: number, to: number) {
    super(message);
    this.name = 'Difference';
    this.operation = operation;
    this.from = from;
    this.to = to;
  }
}

/** Bytes shown at the start of a difference. */
const SHOWN_BYTES = 16;
/** Largest number of operations shown, the newest ones. */
const SHOWN_LINES = 60;

/** Compares; throws a Difference that names the first range of bytes that differ. */
export function demandEqual(
  what: string,
  operation: number,
  offset: number,
  expected: Buffer,
  got: Buffer,
): void {
  if (expected.equals(got)) return;
  const length = Math.min(expected.length, got.length);
  let first = 0;
  while (first < length && expected[first] === got[first]) first += 1;
  let last = length - 1;
  while (last > first && expected[last] === got[last]) last -= 1;
  const shown = Math.min(last + 1, first + SHOWN_BYTES);
  const at = `${hex(offset + first)}..${hex(offset + last)} (${last - first + 1} bytes)`;
  const expectedHex = expected.subarray(first, shown).toString('hex');
  const gotHex = got.subarray(first, shown).toString('hex');
  throw new Difference(
    `${what}: bytes ${at} differ\n  expected ${expectedHex}\n  got      ${gotHex}`,
    operation,
    offset + first,
    offset + last + 1,
  );
}

/** The report: the difference, the operations on the range, and the command that repeats the run. */
export function describe(error: Difference, journal: Journal, options: ExerciseOptions): string {
  const all = error.to > error.from ? journal.touching(error.from, error.to) : journal.last(20);
  const shown = all.slice(-SHOWN_LINES);
  const title =
    error.to > error.from
      ? `operations that touched ${hex(error.from)}..${hex(error.to - 1)}:`
      : 'last operations:';
  const left = all.length - shown.length;
  return [
    `operation ${error.operation}: ${error.message}`,
    title,
    ...(left > 0 ? [`  (${left} earlier ones left out)`] : []),
    ...shown,
    `repeat with: ${repeatCommand(options, error.operation)}`,
  ].join('\n');
}
