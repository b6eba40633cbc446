import type { Callers } from '../../src/plane/rules.js';

/** Callers that exist only here: thread N is process N, and half of them belong to a cgroup. */
export const CALLERS: Callers = {
  processOf: (thread) => thread,
  startOf: (process) => (process < 100 ? '1' : ''),
  idOf: (_kind, name) => (name.length < 4 ? name.length : undefined),
  cgroupsOf: (thread) => (thread % 2 === 0 ? ['/build/one'] : []),
  isBeingKilled: () => true,
};
