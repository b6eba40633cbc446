import type { Group } from './group.js';

/**
 * Sentences for the log about minimums at a group, or at one above it, that add up to more than its
 * limit lets through. Such minimums are accepted, and scaled.
 */
export function minimumWarning(group: Group): string[] {
  const found = new Set<string>();
  for (let at: Group | null = group; at !== null; at = at.parent) {
    for (const key of ['bps', 'iops'] as const) {
      const promised = Math.max(at.minimum[key], promisedBelow(at, key));
      const [reads, writes] =
        key === 'bps' ? (['rbps', 'wbps'] as const) : (['riops', 'wiops'] as const);
      const allowed = Math.min(at.limits[key], at.limits[reads] + at.limits[writes]);
      if (promised <= allowed) continue;
      found.add(
        `group "${at.path}": minimums of ${promised} ${key}, but its limit is ${allowed}; ` +
          'they are scaled down',
      );
    }
  }
  return [...found];
}

function promisedBelow(group: Group, key: 'bps' | 'iops'): number {
  let sum = 0;
  for (const child of group.children.values()) {
    sum += Math.max(child.minimum[key], promisedBelow(child, key));
  }
  return sum;
}
