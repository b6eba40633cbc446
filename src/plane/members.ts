import type { Membership } from '../control/control.js';
import { type MemberChange, type MemberName, memberText, parseMember } from '../control/members.js';
import { escapeName } from '../control/names.js';
import type { Assignment } from '../control/set-up-groups.js';
import type { Group, Throttle } from '../throttle/throttle.js';
import { refuse } from '../util/errors.js';
import { NONE } from './requests.js';
import { type NumberedName, type Processes, type RuleName, Rules } from './rules.js';
import { ThreadCache } from './thread-cache.js';

/** A member that can be taken away again: a rule, or a partition of its own. */
type Removable = RuleName | { kind: 'partition'; name: string };

/** A change whose names are numbers, and whose images are known from partitions. */
interface Resolved {
  member: NumberedName | Removable;
  remove: boolean;
}

function textOf(member: Resolved['member']): string {
  return member.kind === 'partition' ? member.name : memberText(member);
}

/** The disk of a partition: what is charged for it can change. */
interface Charged {
  member: number;
}

/**
 * The members that requests are charged to: images, and rules about callers. A member is a number of
 * the throttle. Images come with their disks; rules are made by writes to `members`. So are members for
 * partitions: one without is charged as its image.
 */
export class Members implements Membership {
  /** Called after a rule came or went: the member of waiting requests may have changed. */
  rulesChanged: () => void = () => {};

  readonly #throttle: Throttle;
  readonly #processes: Processes;
  readonly #hidesCallers: boolean;
  readonly #images = new Map<string, number>();
  /** Images that are passed through. No request for them is ever charged. */
  readonly #passed = new Set<string>();
  /** Partitions that are shown. */
  readonly #partitions = new Map<string, { charged: Charged; image: number }>();
  /** Members of partitions that were assigned to a group, whether they are there or not. */
  readonly #assigned = new Map<string, number>();
  readonly #rules = new Rules();
  readonly #threads: ThreadCache;
  /** Members of removed rules, in the root group, until their last request has ended. */
  readonly #leaving = new Set<number>();
  #anyRule = false;
  /** A rule came or went, and `rulesChanged` has not been called yet. */
  #stale = false;

  /** @param hidesCallers The transport does not tell the caller, so rules are refused. */
  constructor(throttle: Throttle, processes: Processes, hidesCallers = false) {
    this.#throttle = throttle;
    this.#hidesCallers = hidesCallers;
    this.#processes = processes;
    this.#threads = new ThreadCache((thread) => this.#rules.matchThread(thread, processes));
  }

  /** A new image, charged to the root group. */
  addImage(name: string): number {
    const member = this.#throttle.createMember(name);
    this.#images.set(name, member);
    return member;
  }

  /**
   * An image goes, and with it the members of its partitions: no request is charged to any of them. Their
   * figures stay with their groups.
   */
  removeImage(name: string): void {
    this.#passed.delete(name);
    const member = this.#images.get(name);
    this.#images.delete(name);
    if (member !== undefined) this.#throttle.removeMember(member);
    for (const [partition, own] of this.#assigned) {
      if (imageOf(partition) !== name) continue;
      this.#assigned.delete(partition);
      this.#throttle.removeMember(own);
    }
  }

  /** A new image that no group has, because the kernel carries out its reads and writes: no member. */
  addPassed(name: string): number {
    this.#passed.add(name);
    return NONE;
  }

  /** A partition is shown. If its name has been assigned to a group, that counts again. */
  addPartition(name: string, charged: Charged, image: number): void {
    charged.member = this.#assigned.get(name) ?? image;
    this.#partitions.set(name, { charged, image });
  }

  removePartition(name: string): void {
    this.#partitions.delete(name);
  }

  /**
   * Assignments that were good once, without rules about processes that have ended. A partition may have left its table
   * since: its name counts when it comes back, as with the daemon that has made the assignment.
   */
  stillGood(assignments: readonly Assignment[]): Assignment[] {
    return assignments.filter(({ member }) => {
      const parsed = parseMember(member);
      if (parsed.kind === 'pid') return this.#processes.startOf(parsed.id) !== '';
      if (parsed.kind === 'image') this.#expect(parsed.name);
      return true;
    });
  }

  #expect(name: string): void {
    const isKnown = this.#images.has(name) || this.#isPartition(name);
    if (isKnown || !this.#images.has(imageOf(name))) return;
    this.#assigned.set(name, this.#throttle.createMember(name));
  }

  /**
   * The member that a request is charged to. Without rules it is always `image`.
   *
   * @param image That of the image, or of the partition.
   * @param thread The caller's thread, 0 if it is not visible from here.
   * @param fromCache The write comes from the page cache: its IDs are not those of the writing process.
   */
  charged(
    image: number,
    uid: number,
    gid: number,
    thread: number,
    fromCache: boolean,
    nowNs: number,
  ): number {
    if (!this.#anyRule || fromCache) return image;
    if (thread !== 0 && this.#rules.needsProcess) {
      const member = this.#threads.find(thread, nowNs);
      if (member !== NONE) return member;
    }
    const member = this.#rules.matchIds(uid, gid);
    return member === NONE ? image : member;
  }

  /** Members of a group, without rules about processes that have ended. */
  list(group: Group, nowNs: number): number[] {
    this.sweep(nowNs);
    return [...group.members].filter((member) => !this.#leaving.has(member));
  }

  prepare(group: Group, changes: readonly MemberChange[], nowNs: number): () => void {
    this.sweep(nowNs);
    const numbered = changes.map((change) => this.#resolved(change));
    for (const change of numbered) this.#check(group, change);
    const wanted = numbered.map(({ member, remove }) => {
      return member.kind === 'pid' && !remove ? this.#process(member.id) : { member, start: '' };
    });
    return () => {
      for (const [index, { member, start }] of wanted.entries()) {
        if (numbered[index]!.remove) this.#remove(member as Removable, nowNs);
        else this.#throttle.moveMember(this.#make(member, start), group, nowNs);
      }
      if (this.#stale) this.#changed();
    };
  }

  /** Finds out what the words of a change mean here. Throws ENOENT. */
  #resolved({ member, remove }: MemberChange): Resolved {
    if (member.kind !== 'image' || this.#images.has(member.name)) {
      return { member: this.#numbered(member), remove };
    }
    const { name } = member;
    if (this.#isPartition(name)) return { member: { kind: 'partition', name }, remove };
    const bare = name.slice(1);
    if (!name.startsWith('-') || !this.#isPartition(bare)) return { member, remove };
    return { member: { kind: 'partition', name: bare }, remove: true };
  }

  #isPartition(name: string): boolean {
    return this.#partitions.has(name) || this.#assigned.has(name);
  }

  /** Looks up the number of a user or a group of users. Throws ENOENT. */
  #numbered(member: MemberName): NumberedName {
    if (member.kind !== 'named') return member;
    const { of, name } = member;
    const id = this.#processes.idOf(of, name);
    if (id !== undefined) return { kind: of, id };
    const where = of === 'uid' ? 'user in /etc/passwd' : 'group in /etc/group';
    throw refuse(`${of}:${name}: there is no such ${where}; give the number`, 'ENOENT');
  }

  /** Throws if a change cannot be made. */
  #check(group: Group, { member, remove }: Resolved): void {
    const name = escapeName(textOf(member));
    if (remove) {
      const found = this.#find(member as Removable);
      if (found === NONE) throw refuse(`${name}: there is no such rule`, 'ENOENT');
      if (this.#throttle.memberGroup(found) === group) return;
      throw refuse(`${name}: a member of another group`, 'EINVAL');
    }
    const isCaller = member.kind !== 'image' && member.kind !== 'partition';
    if (isCaller && this.#hidesCallers) {
      const what = 'fuse-native does not tell who calls, so no rule about callers can be kept';
      throw refuse(`${name}: ${what}; mount with --transport uring`, 'EOPNOTSUPP');
    }
    if (group.parent !== null && group.children.size > 0) {
      const what = 'the group has groups below it; members live in groups without';
      throw refuse(`${name}: ${what}`, 'EBUSY');
    }
    if (member.kind === 'image' && this.#passed.has(member.name)) {
      const what =
        'passed through: the kernel carries out its reads and writes, so no group has it';
      throw refuse(`${name}: ${what}; mount it without --passthrough`, 'EBUSY');
    }
    if (member.kind === 'image' && !this.#images.has(member.name)) throw this.#unknown(member.name);
  }

  #unknown(name: string): Error {
    const image = imageOf(name);
    const parts = [...this.#partitions.keys()].filter((one) => one.startsWith(`${image}.p`));
    const [what, known] = this.#images.has(image)
      ? ['partition', parts.length === 0 ? ['none'] : parts]
      : ['image', this.#images.size === 0 ? ['none'] : [...this.#images.keys()]];
    const text = `there is no such ${what}; ${what}s: ${known.join(', ')}`;
    return refuse(`${escapeName(name)}: ${text}`, 'ENOENT');
  }

  /** The member of a rule or of an assigned partition, or NONE. */
  #find(name: Removable): number {
    if (name.kind === 'partition') return this.#assigned.get(name.name) ?? NONE;
    return this.#rules.find(name);
  }

  /** The process that has this number, or a thread of this number. Throws ENOENT. */
  #process(thread: number): { member: Resolved['member']; start: string } {
    const id = this.#processes.processOf(thread);
    const start = id === 0 ? '' : this.#processes.startOf(id);
    if (start === '') throw refuse(`pid:${thread}: there is no such process`, 'ENOENT');
    return { member: { kind: 'pid', id }, start };
  }

  /** The member of that name, made if it is a rule that is not there yet. */
  #make(name: Resolved['member'], start: string): number {
    if (name.kind === 'image') return this.#images.get(name.name)!;
    const known = this.#find(name);
    if (known !== NONE) return known;
    const member = this.#throttle.createMember(textOf(name));
    if (name.kind === 'partition') {
      this.#assigned.set(name.name, member);
      this.#charge(name.name, member);
    } else this.#rules.add(name, member, start);
    this.#stale = true;
    return member;
  }

  /** @param member Undefined: as its image. */
  #charge(partition: string, member?: number): void {
    const shown = this.#partitions.get(partition);
    if (shown !== undefined) shown.charged.member = member ?? shown.image;
  }

  /** `rulesChanged` charges the waiting requests of the rule anew; those in flight stay charged to it. */
  #remove(rule: Removable, nowNs: number): void {
    const member = this.#find(rule);
    if (rule.kind === 'partition') {
      this.#assigned.delete(rule.name);
      this.#charge(rule.name);
    } else this.#rules.delete(rule);
    this.#stale = true;
    this.#throttle.retireMember(member, nowNs);
    this.#leaving.add(member);
  }

  #changed(): void {
    this.#stale = false;
    this.#anyRule = !this.#rules.isEmpty;
    this.#threads.clear();
    this.rulesChanged();
    this.#dropLeaving();
  }

  /** Removes rules about processes that have ended, and members that have no request any more. */
  sweep(nowNs: number): void {
    for (const rule of this.#rules.ended(this.#processes)) this.#remove(rule, nowNs);
    if (this.#stale) this.#changed();
    else this.#dropLeaving();
  }

  #dropLeaving(): void {
    for (const member of this.#leaving) {
      const { queued, inflight } = this.#throttle.memberStats(member);
      if (queued + inflight > 0) continue;
      this.#throttle.removeMember(member);
      this.#leaving.delete(member);
    }
  }
}

/** The image that a partition of this name would be of; '' if it is no such name. */
function imageOf(partition: string): string {
  return /^(.+)\.p[0-9]+$/.exec(partition)?.[1] ?? '';
}
