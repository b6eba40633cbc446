import { EDGES } from '../../src/server/lifecycle.js';
import { taskNames } from './task-coverage.js';

/** Counts what runs have come to. */
export class Coverage {
  readonly counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  merge(counts: Iterable<readonly [string, number]>): void {
    for (const [name, count] of counts) this.add(name, count);
  }

  /** Lines of `KIND NAME COUNT`, in order. */
  lines(): string[] {
    const names = [...this.counts.keys()].sort();
    const width = Math.max(0, ...names.map((name) => name.length));
    return names.map((name) => `${name.padEnd(width)} ${this.counts.get(name)}`);
  }
}

/** Edges of the life cycle that no run has taken, and tasks that none has made. */
export function holes({ counts }: Coverage): string[] {
  const all = [...EDGES.map((edge) => `life ${edge}`), ...taskNames()];
  return all.filter((one) => !counts.has(one));
}
