import type { MemberName } from '../control/members.js';
import { NONE } from './requests.js';

/** A member whose user or group of users has its number. */
export type NumberedName = Exclude<MemberName, { kind: 'named' }>;
/** A rule about callers: a member that is no image. */
export type RuleName = Exclude<NumberedName, { kind: 'image' }>;

/** Facts about callers that rules need. Each function may read /proc or /etc. */
export interface Processes {
  /** The process that a thread belongs to; 0 if the thread is gone. */
  processOf(thread: number): number;
  /** Start time of a process, which tells it from a later process of the same number; '' if gone. */
  startOf(process: number): string;
  /** ID of a user or a group of users by name, if there is one. */
  idOf(kind: 'uid' | 'gid', name: string): number | undefined;
  /** Paths of a thread's cgroups, one for each hierarchy of v1 and one of v2; none if it is gone. */
  cgroupsOf(thread: number): string[];
}

/** All that the plane asks about callers. */
export interface Callers extends Processes {
  isBeingKilled(thread: number): boolean;
}

interface CgroupRule {
  path: string;
  member: number;
}

/**
 * Finds the rule that applies to a caller: pid before cgroup before uid before gid, and the longest path
 * among cgroups. A request without a rule is charged to its image.
 */
export class Rules {
  readonly #uids = new Map<number, number>();
  readonly #gids = new Map<number, number>();
  readonly #pids = new Map<number, { member: number; start: string }>();
  /** Longest path first. */
  #cgroups: CgroupRule[] = [];

  get isEmpty(): boolean {
    return this.#uids.size + this.#gids.size === 0 && !this.needsProcess;
  }

  /** Some rule needs more than the IDs that every request carries. */
  get needsProcess(): boolean {
    return this.#pids.size + this.#cgroups.length > 0;
  }

  /** @param start For a pid: when the process started. */
  add(rule: RuleName, member: number, start: string): void {
    if (rule.kind === 'uid') this.#uids.set(rule.id, member);
    else if (rule.kind === 'gid') this.#gids.set(rule.id, member);
    else if (rule.kind === 'pid') this.#pids.set(rule.id, { member, start });
    else {
      this.#cgroups.push({ path: rule.path, member });
      this.#cgroups.sort((a, b) => b.path.length - a.path.length);
    }
  }

  delete(rule: RuleName): void {
    if (rule.kind === 'uid') this.#uids.delete(rule.id);
    else if (rule.kind === 'gid') this.#gids.delete(rule.id);
    else if (rule.kind === 'pid') this.#pids.delete(rule.id);
    else this.#cgroups = this.#cgroups.filter(({ path }) => path !== rule.path);
  }

  /** The member of a rule, or NONE. */
  find(rule: RuleName): number {
    if (rule.kind === 'uid') return this.#uids.get(rule.id) ?? NONE;
    if (rule.kind === 'gid') return this.#gids.get(rule.id) ?? NONE;
    if (rule.kind === 'pid') return this.#pids.get(rule.id)?.member ?? NONE;
    return this.#cgroups.find(({ path }) => path === rule.path)?.member ?? NONE;
  }

  /** Rules about processes that have ended. Their numbers may be reused. */
  ended(processes: Processes): RuleName[] {
    const gone = [...this.#pids].filter(([id, { start }]) => processes.startOf(id) !== start);
    return gone.map(([id]) => ({ kind: 'pid', id }));
  }

  /** The member by pid or cgroup for a thread, or NONE. Reads /proc. */
  matchThread(thread: number, processes: Processes): number {
    if (this.#pids.size > 0) {
      const process = processes.processOf(thread);
      const rule = this.#pids.get(process);
      if (rule !== undefined && processes.startOf(process) === rule.start) return rule.member;
    }
    if (this.#cgroups.length === 0) return NONE;
    const paths = processes.cgroupsOf(thread);
    const rule = this.#cgroups.find(({ path }) => paths.some((one) => isBelow(one, path)));
    return rule?.member ?? NONE;
  }

  /** The member by uid or gid, or NONE. */
  matchIds(uid: number, gid: number): number {
    return this.#uids.get(uid) ?? this.#gids.get(gid) ?? NONE;
  }
}

/** True for `path` itself and for paths below it. */
function isBelow(path: string, above: string): boolean {
  return above === '/' || path === above || path.startsWith(`${above}/`);
}
