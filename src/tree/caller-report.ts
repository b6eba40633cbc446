import { readPairs } from '../control/text.js';
import { NS_PER_US } from '../control/values.js';
import type { CallerFigures } from '../throttle/callers.js';

// `io.callers`: its text, and how `sluice stat --callers` reads it back.

/** The file of the root group that says who makes requests. */
export const CALLERS_FILE = 'io.callers';

/** The words of a line with their figures; the manual describes them. */
const FIGURES: readonly (readonly [word: string, figure: keyof CallerFigures, unit: number])[] = [
  ['uid', 'uid', 1],
  ['rbytes', 'rbytes', 1],
  ['wbytes', 'wbytes', 1],
  ['rios', 'rios', 1],
  ['wios', 'wios', 1],
  ['dbytes', 'dbytes', 1],
  ['dios', 'dios', 1],
  ['wait_usec', 'waitNs', NS_PER_US],
  ['service_usec', 'serviceNs', NS_PER_US],
  ['longest_usec', 'longestNs', NS_PER_US],
  ['followed_usec', 'followedNs', NS_PER_US],
];

export const CALLER_WORDS: readonly string[] = [
  'thread',
  'recent',
  ...FIGURES.map(([word]) => word),
];

/** Digits of the part of late, in percent. */
const RECENT_DIGITS = 3;

/** A line for each thread, in the given order. */
export function formatCallers(callers: readonly CallerFigures[]): string {
  return callers.map((caller) => `${formatLine(caller)}\n`).join('');
}

function formatLine(caller: CallerFigures): string {
  const words = FIGURES.map(
    ([word, figure, unit]) => `${word}=${Math.round(caller[figure] / unit)}`,
  );
  const recent = (100 * caller.recent).toFixed(RECENT_DIGITS);
  return [`thread=${caller.thread}`, `recent=${recent}`, ...words].join(' ');
}

/** Lines without a thread are left out, and so are words of a later version; missing ones are 0. */
export function parseCallers(text: string): CallerFigures[] {
  const lines = text.split('\n').map(readPairs);
  return lines
    .filter((pairs) => pairs.has('thread'))
    .map((pairs) => {
      const number = (word: string): number => Number(pairs.get(word) ?? 0);
      const entries = FIGURES.map(([word, figure, unit]) => [figure, number(word) * unit]);
      const recent = number('recent') / 100;
      return { thread: number('thread'), recent, ...Object.fromEntries(entries) } as CallerFigures;
    });
}
