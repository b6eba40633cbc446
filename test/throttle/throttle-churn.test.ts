import test from 'ava';
import { type Assembly, assemble } from '../../src/throttle/assemble.js';
import { NO_BURSTS } from '../../src/throttle/bursts.js';
import { NO_LIMITS } from '../../src/throttle/limits.js';
import { Counters } from '../../src/throttle/stats.js';
import { DISCARD, Throttle } from '../../src/throttle/throttle.js';
import fc from '../helpers/random-sequences.js';

const sizeOf = fc.constantFrom(512, 4096, 65536, 1048576);

const GROUPS = ['a/x', 'a/y', 'b', 'c'];

/** The size of a run. `churn`: members and groups come and go. */
interface Size {
  members: number;
  /** In addition to GROUPS. */
  groups: number;
  requests: number;
  churn: number;
  /** A request goes to the device of its number, modulo this. */
  devices: number;
}
/** Members leave more often than they join, so that low numbers are used again. */
const CHURN = ['join', 'leave', 'leave', 'make', 'drop'] as const;
const FEW: Size = { members: 6, groups: 0, requests: 96, churn: 0, devices: 1 };
const MANY: Size = { members: 300, groups: 200, requests: 1024, churn: 8, devices: 1 };
const DEVICES: Size = { ...FEW, devices: 3 };

type Action =
  | { do: 'submit'; member: number; direction: number; bytes: number; count: number }
  | { do: 'complete'; which: number }
  | { do: 'cancel'; which: number }
  | { do: 'wait'; ns: number }
  | { do: 'move'; member: number; group: number }
  | { do: 'set'; group: number; what: number; value: number }
  | { do: 'churn'; what: (typeof CHURN)[number]; which: number; count: number };

const indexOf = fc.nat(1000);
const actionOf = ({ churn }: Size): fc.Arbitrary<Action> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('submit' as const),
        member: indexOf,
        direction: fc.nat(DISCARD),
        bytes: sizeOf,
        count: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('complete' as const), which: indexOf }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: indexOf }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        ns: fc.constantFrom(0, 1e5, 1e7, 1e9),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('move' as const),
        member: indexOf,
        group: indexOf,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('set' as const),
        group: indexOf,
        what: fc.nat(8),
        value: fc.integer({ min: 1, max: 10000 }),
      }),
    },
    {
      weight: churn,
      arbitrary: fc.record({
        do: fc.constant('churn' as const),
        what: fc.constantFrom(...CHURN),
        which: indexOf,
        count: fc.integer({ min: 1, max: 5 }),
      }),
    },
  );

/** An independent record of the requests in plain lists and sets. */
class Ledger {
  readonly throttle: Throttle;
  private readonly parts: Assembly;
  readonly idle: number[];
  readonly inside: number[] = [];
  /** In the order of arrival, by member and class. */
  readonly queues = new Map<string, number[]>();
  private readonly queueOf: string[] = [];
  /** Numbers of the members, and paths of groups that have none below them. */
  private readonly members: number[] = [];
  private readonly leaves = [...GROUPS];
  private readonly size: Size;
  private made = 0;
  now = 1e9;

  constructor(size: Size) {
    this.size = size;
    const counters = new Counters();
    this.parts = assemble(size.requests, 4096, counters, size.devices);
    this.throttle = new Throttle(
      size.requests,
      4096,
      counters,
      size.devices,
      size.devices,
      this.parts,
    );
    this.idle = Array.from({ length: size.requests }, (_, i) => i);
    this.throttle.createGroup('a');
    for (const path of GROUPS) this.throttle.createGroup(path);
    for (let i = 0; i < size.groups; i++) this.churn('make', i);
    for (let i = 0; i < size.members; i++) this.churn('join', i);
    // With many members every second one has waiting requests.
    const crowd = size.churn > 0 ? size.members : 0;
    for (let member = 0; member < crowd; member += 2) {
      this.submit({ do: 'submit', member, direction: member % 3, bytes: 4096, count: 4 });
    }
  }

  private get groups(): string[] {
    return ['a', ...this.leaves];
  }

  act(action: Action): void {
    this.now += 1000;
    const { throttle, now } = this;
    if (action.do === 'submit') this.submit(action);
    else if (action.do === 'complete') this.complete(action.which);
    else if (action.do === 'cancel') this.cancel(action.which);
    else if (action.do === 'wait') this.now += action.ns;
    else if (action.do === 'move') {
      throttle.moveMember(at(this.members, action.member), this.leaf(action.group), now);
    } else if (action.do === 'set') this.set(action.group, action.what, action.value);
    else for (let i = 0; i < action.count; i++) this.churn(action.what, action.which + 7 * i);
    this.takeAll();
  }

  /** Removes all limits and checks that every request passes. */
  finish(): void {
    const { throttle } = this;
    const { requests } = this.size;
    for (const path of ['', ...this.groups]) {
      const group = throttle.findGroup(path)!;
      throttle.setLimits(group, NO_LIMITS, this.now);
      if (group.latencyTarget < Infinity) throttle.setLatencyTarget(group, Infinity, this.now);
    }
    for (let turns = 0; turns < 3 * requests; turns++) {
      this.takeAll();
      this.complete(0);
    }
    ensure(this.idle.length === requests, `${requests - this.idle.length} requests are lost`);
    ensure(throttle.wakeAt === Infinity, 'a wake-up for nobody');
    const { queued, inflight } = throttle.groupStats(throttle.root);
    ensure(queued === 0 && inflight === 0, 'figures that are not back at zero');
    const { nodes } = this.parts;
    ensure(!nodes.inflight.some((n) => n !== 0) && !nodes.queued.some((n) => n !== 0), 'counts');
  }

  /** Adds or removes members and groups, if nothing prevents it, so that their numbers are reused. */
  private churn(what: (typeof CHURN)[number], which: number): void {
    const { throttle, now } = this;
    if (what === 'join') {
      const member = throttle.createMember(`m${this.made++}`);
      this.members.push(member);
      throttle.moveMember(member, this.leaf(which), now);
    } else if (what === 'make') {
      const path = `${which % 3 === 0 ? 'a/' : ''}g${this.made++}`;
      throttle.setLimits(throttle.createGroup(path), { iops: 1 + (which % 20) }, now);
      this.leaves.push(path);
    } else if (what === 'leave' && this.members.length > 1) {
      const member = at(this.members, which);
      const { queued, inflight } = throttle.memberStats(member);
      if (queued + inflight > 0) return;
      throttle.removeMember(member);
      this.members.splice(this.members.indexOf(member), 1);
    } else if (what === 'drop' && this.leaves.length > 1) {
      const path = at(this.leaves, which);
      const { members } = throttle.findGroup(path)!;
      for (const member of members) throttle.moveMember(member, throttle.root, now);
      throttle.removeGroup(path);
      this.leaves.splice(this.leaves.indexOf(path), 1);
    }
  }

  private leaf(which: number) {
    return this.throttle.findGroup(at(this.leaves, which))!;
  }

  private submit(action: Action & { do: 'submit' }): void {
    const { direction, bytes, count } = action;
    const member = at(this.members, action.member);
    for (let i = 0; i < count && this.idle.length > 0; i++) {
      const request = this.idle.pop()!;
      const device = this.deviceOf(request);
      const key = `${member}:${device}:${direction === 0}`;
      this.queueOf[request] = key;
      const queue = this.queues.get(key) ?? [];
      this.queues.set(key, queue);
      queue.push(request);
      const wasFull = this.isFull(device);
      if (!this.throttle.submit(request, member, direction, bytes, this.now, device)) continue;
      ensure(!wasFull, 'let in past the window');
      this.started(request);
    }
  }

  private takeAll(): void {
    for (let r = this.throttle.next(this.now); r !== -1; r = this.throttle.next(this.now)) {
      ensure(!this.isFull(this.deviceOf(r)), 'past the window');
      this.started(r);
    }
  }

  private deviceOf(request: number): number {
    return request % this.size.devices;
  }

  private isFull(device: number): boolean {
    const inside = this.inside.filter((request) => this.deviceOf(request) === device);
    return inside.length >= this.parts.windows.depths[device];
  }

  private started(request: number): void {
    const first = this.queues.get(this.queueOf[request])!.shift();
    ensure(first === request, `${request} before ${first}`);
    ensure(!this.inside.includes(request), 'twice');
    this.inside.push(request);
  }

  private complete(which: number): void {
    if (this.inside.length === 0) return;
    const [request] = this.inside.splice(which % this.inside.length, 1);
    this.throttle.complete(request, this.now);
    this.idle.push(request);
  }

  private cancel(which: number): void {
    const waiting = [...this.queues.values()].flat();
    if (waiting.length === 0) return;
    const request = waiting[which % waiting.length];
    const queue = this.queues.get(this.queueOf[request])!;
    queue.splice(queue.indexOf(request), 1);
    ensure(this.throttle.cancel(request), 'cannot cancel');
    this.idle.push(request);
  }

  private set(which: number, what: number, value: number): void {
    const { throttle, now } = this;
    const group = throttle.findGroup(at(this.groups, which))!;
    if (what === 0) throttle.setWeight(group, value);
    else if (what === 1) throttle.setLimits(group, { iops: value }, now);
    else if (what === 2) throttle.setLimits(group, { rbps: value * 1000 }, now);
    else if (what === 3) throttle.setLimits(group, NO_LIMITS, now);
    else if (what === 4) throttle.setMinimum(group, { iops: value - 1 }, now);
    else if (what === 5) throttle.setLatencyTarget(group, value * 1000, now);
    else if (what === 6) throttle.setDepth(value % 5 === 0 ? 'auto' : 1 + (value % 12), now);
    else if (what === 7) throttle.setLatencyTarget(group, Infinity, now);
    else if (group.limits.iops < Infinity) {
      throttle.setBursts(group, { iops: { rate: group.limits.iops * 3, seconds: 1 } }, now);
    } else throttle.setBursts(group, NO_BURSTS, now);
  }
}

/** An element of the list, for any number. */
function at<T>(list: readonly T[], which: number): T {
  return list[which % list.length]!;
}

function ensure(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function changeWhatever(size: Size, numRuns: number): void {
  const property = fc.property(fc.array(actionOf(size), { maxLength: 120 }), (actions) => {
    const ledger = new Ledger(size);
    for (const action of actions) ledger.act(action);
    ledger.finish();
  });
  fc.assert(property, { numRuns, includeErrorInReport: true });
}

test('whatever is changed while requests wait: nothing lost or doubled, in order, within the window', (t) => {
  t.notThrows(() => changeWhatever(FEW, 500));
});

test('the same on three devices', (t) => {
  t.notThrows(() => changeWhatever(DEVICES, 300));
});

test('the same with hundreds of members and groups that come and go', (t) => {
  t.notThrows(() => changeWhatever(MANY, 80));
});
