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

interface Rule {
  member: number;
  /** Of a pid: when the process started. */
  start: string;
}

/**
 * Finds the rule that applies to a caller: pid before cgroup before uid before gid, and the longest path
 * among cgroups. A request without a rule is charged to its image.
 */
export class Rules {
  /** By the ID or path that they name. */
  readonly #rules: Readonly<Record<RuleName['kind'], Map<number | string, Rule>>> = {
    uid: new Map(),
    gid: new Map(),
    pid: new Map(),
    cgroup: new Map(),
  };

  get isEmpty(): boolean {
    return this.#rules.uid.size + this.#rules.gid.size === 0 && !this.needsProcess;
  }

  /** Some rule needs more than the IDs that every request carries. */
  get needsProcess(): boolean {
    return this.#rules.pid.size + this.#rules.cgroup.size > 0;
  }

  /** @param start For a pid: when the process started. */
  add(rule: RuleName, member: number, start: string): void {
    this.#rules[rule.kind].set(keyOf(rule), { member, start });
  }

  delete(rule: RuleName): void {
    this.#rules[rule.kind].delete(keyOf(rule));
  }

  /** The member of a rule, or NONE. */
  find(rule: RuleName): number {
    return this.#rules[rule.kind].get(keyOf(rule))?.member ?? NONE;
  }

  /** Rules about processes that have ended. Their numbers may be reused. */
  ended(processes: Processes): RuleName[] {
    const pids = [...this.#rules.pid] as [number, Rule][];
    const gone = pids.filter(([id, { start }]) => processes.startOf(id) !== start);
    return gone.map(([id]) => ({ kind: 'pid', id }));
  }

  /** The member by pid or cgroup for a thread, or NONE. Reads /proc. */
  matchThread(thread: number, processes: Processes): number {
    const { pid, cgroup } = this.#rules;
    if (pid.size > 0) {
      const process = processes.processOf(thread);
      const rule = pid.get(process);
      if (rule !== undefined && processes.startOf(process) === rule.start) return rule.member;
    }
    if (cgroup.size === 0) return NONE;
    const paths = processes.cgroupsOf(thread);
    let longest = '';
    for (const path of cgroup.keys() as Iterable<string>) {
      if (path.length > longest.length && paths.some((one) => isBelow(one, path))) longest = path;
    }
    return cgroup.get(longest)?.member ?? NONE;
  }

  /** The member by uid or gid, or NONE. */
  matchIds(uid: number, gid: number): number {
    return (this.#rules.uid.get(uid) ?? this.#rules.gid.get(gid))?.member ?? NONE;
  }
}

function keyOf(rule: RuleName): number | string {
  return rule.kind === 'cgroup' ? rule.path : rule.id;
}

/** True for `path` itself and for paths below it. */
function isBelow(path: string, above: string): boolean {
  return above === '/' || path === above || path.startsWith(`${above}/`);
}
