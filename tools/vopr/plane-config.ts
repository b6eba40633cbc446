import type { MessagePort } from 'node:worker_threads';
import type { DiskConfig } from '../../src/plane/disk.js';
import type { PlaneConfig } from '../../src/plane/messages.js';
import type { Callers } from '../../src/plane/rules.js';
import type { SessionPlan } from './plan.js';

/** Descriptors of the simulated kernel's own files: no real file has them. */
export const FUSE = 1_000_000_001;
export const WAKE = 1_000_000_002;
export const GUARD = 1_000_000_003;

/** What the data plane of a new daemon begins with. */
export type Given = Pick<PlaneConfig, 'groups' | 'assignments' | 'depth' | 'before' | 'keep'>;

/** What the data plane of a session is told. */
export function planeConfig(
  { depth, pollUs, queues }: SessionPlan,
  disks: readonly DiskConfig[],
  inbox: MessagePort,
  given?: Partial<Given>,
): PlaneConfig {
  return {
    ...{ disks: [...disks], groups: [], assignments: [], depth, pollUs, inbox },
    ...{ fuse: FUSE, queues, wake: WAKE, owner: { uid: 0, gid: 0 } },
    ...{ pageCache: false, verbose: false, about: 'pid 1\n' },
    ...given,
  };
}

/** What /proc says of callers. Each thread is a process, in one of four cgroups. */
export function simulatedCallers(killed: ReadonlySet<number>): Callers {
  return {
    processOf: (thread) => (killed.has(thread) ? 0 : thread),
    startOf: (process) => (process > 0 && process < 1000 ? '1' : ''),
    idOf: () => undefined,
    cgroupsOf: (thread) => [`/c${thread % 4}`],
    isBeingKilled: (thread) => killed.has(thread),
  };
}
