import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from './run.js';
import type { SluiceMount } from './sluice-mount.js';

/** The figures of one line of `io.stat`, read by a child process with a time limit. */
export async function groupFigures(
  mount: SluiceMount,
  group: string,
  member = 'total',
): Promise<Record<string, number>> {
  const text = await must('cat', [join(mount.point, '.groups', group, 'io.stat')]);
  const line = text.split('\n').find((one) => one.startsWith(`${member} `));
  if (line === undefined) throw new Error(`io.stat of ${group} has no line ${member}: ${text}`);
  return figuresOf(line);
}

function figuresOf(line: string): Record<string, number> {
  const pairs = line.split(' ').slice(1);
  return Object.fromEntries(pairs.map((pair) => [pair.split('=')[0], Number(pair.split('=')[1])]));
}

/** The lines `total` of several groups, read by one process: so they are of nearly the same time. */
export async function figuresAtOnce(
  mount: SluiceMount,
  groups: readonly string[],
): Promise<Record<string, number>[]> {
  const text = await must(
    'cat',
    groups.map((group) => join(mount.point, '.groups', group, 'io.stat')),
  );
  const lines = text.split('\n').filter((line) => line.startsWith('total '));
  return lines.map(figuresOf);
}

/** Waits until the figures of a group satisfy a condition. */
export async function untilFigures(
  mount: SluiceMount,
  group: string,
  right: (figures: Record<string, number>) => boolean,
  limitMs = 60_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    const figures = await groupFigures(mount, group);
    if (right(figures)) return;
    if (performance.now() > end) throw new Error(`io.stat stays at ${JSON.stringify(figures)}`);
    // Looking without a pause would keep a processor busy that the daemon needs.
    await sleep(20);
  }
}

/** Waits until so many requests of a group are queued. */
export function untilQueued(mount: SluiceMount, group: string, count: number): Promise<void> {
  return untilFigures(mount, group, ({ queued = 0 }) => queued >= count);
}
