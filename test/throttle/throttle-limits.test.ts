import test from 'ava';
import { type Limits, NO_LIMITS } from '../../src/throttle/limits.js';
import { Throttle, WRITE } from '../../src/throttle/throttle.js';
import fc from '../helpers/random-sequences.js';
import { PlainModel, type PlainRequest } from './plain-model.js';

const MEMBERS = 5;
/** The leaves are 'a/x', 'a/y' and 'b'; all groups can have limits. */
const PATHS = ['', 'a', 'a/x', 'a/y', 'b'];
const LEAVES = ['a/x', 'a/y', 'b', ''];

const rate = (values: number[]): fc.Arbitrary<number> => fc.constantFrom(Infinity, ...values);
const byteRate = rate([Infinity, 4096, 100e3, 1048576, 30e6]);
const requestRate = rate([Infinity, 3, 50, 1000, 20000]);
const limitsOf: fc.Arbitrary<Limits> = fc.record({
  rbps: byteRate,
  wbps: byteRate,
  bps: byteRate,
  riops: requestRate,
  wiops: requestRate,
  iops: requestRate,
  iopsSize: fc.constantFrom(0, 4096, 10000),
});
/** Taken modulo the number of members. */
const memberOf = fc.nat(999);
const bytesOf = fc.constantFrom(0, 512, 4096, 4096, 65536, 1048576);

type Step =
  | { kind: 'submit'; member: number; direction: number; bytes: number; count: number }
  | { kind: 'wait'; ns: number }
  | { kind: 'cancel'; which: number }
  | { kind: 'limits'; path: string; limits: Limits }
  | { kind: 'move'; member: number; path: string }
  /** A member without waiting requests leaves, and perhaps another one comes. */
  | { kind: 'churn'; member: number; path: string; comes: boolean };

const submitStepOf = (direction: fc.Arbitrary<number>) =>
  fc.record({
    kind: fc.constant('submit' as const),
    member: memberOf,
    direction,
    bytes: bytesOf,
    count: fc.integer({ min: 1, max: 6 }),
  });
const submitStep = submitStepOf(fc.nat(2));
const waitStep = fc.record({
  kind: fc.constant('wait' as const),
  ns: fc.constantFrom(0, 1000, 1e6, 17e6, 300e6, 5e9),
});
const cancelStep = fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(100) });
const limitsStep = fc.record({
  kind: fc.constant('limits' as const),
  path: fc.constantFrom(...PATHS),
  limits: limitsOf,
});
const moveStep = fc.record({
  kind: fc.constant('move' as const),
  member: memberOf,
  path: fc.constantFrom(...LEAVES),
});
const churnStep = fc.record({
  kind: fc.constant('churn' as const),
  member: memberOf,
  path: fc.constantFrom(...LEAVES),
  comes: fc.boolean(),
});
const stepsOf = (...rare: fc.Arbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  stepsWith(submitStep, ...rare);
const stepsWith = (
  submit: fc.Arbitrary<Step>,
  ...rare: fc.Arbitrary<Step>[]
): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: submit },
      { weight: 3, arbitrary: waitStep },
      ...rare.map((arbitrary) => ({ weight: 1, arbitrary })),
    ),
    { minLength: 1, maxLength: 60 },
  );

/** The throttle and the plain model together. */
class Run {
  readonly throttle = new Throttle(512);
  readonly model = new PlainModel();
  readonly requests: PlainRequest[] = [];
  now = 1e12;
  admitted = 0;
  emptyWakes = 0;
  /** There are reads and writes, which may wait for each other. */
  mixed = false;
  cancelled = 0;

  private readonly members: number[] = [];

  constructor(limits: Limits[], members = MEMBERS) {
    for (const [i, path] of PATHS.entries()) {
      const group = path === '' ? this.throttle.root : this.throttle.createGroup(path);
      this.throttle.setLimits(group, limits[i], this.now);
      this.model.setLimits(path, limits[i], this.now);
    }
    for (let member = 0; member < members; member++) this.join(LEAVES[member % 3]);
  }

  step(step: Step): void {
    if (step.kind === 'submit') for (let i = 0; i < step.count; i++) this.submit(step);
    else if (step.kind === 'wait') this.advance(this.now + step.ns);
    else if (step.kind === 'cancel') this.cancel(step.which);
    else if (step.kind === 'move') this.move(this.member(step.member), step.path);
    else if (step.kind === 'churn') this.churn(step);
    else this.limit(step.path, step.limits);
    this.drainNow();
  }

  /** Submits a request of every second member. */
  crowd(): void {
    for (let member = 0; member < this.members.length; member += 2) {
      this.submit({ kind: 'submit', member, direction: member % 3, bytes: 4096, count: 1 });
    }
    this.drainNow();
  }

  /** Advances the time from one wake-up to the next; each wake-up must be exact. */
  advance(end: number): void {
    while (this.throttle.wakeAt <= end) {
      const wakeAt = this.throttle.wakeAt;
      ensure(wakeAt > this.now, `wakeAt ${wakeAt} is not after ${this.now}`);
      if (wakeAt - 1000 > this.now) {
        ensure(this.throttle.next(wakeAt - 1000) === -1, 'a request 1 us before wakeAt');
        ensure(this.throttle.wakeAt === wakeAt, 'wakeAt moved by asking early');
      }
      this.now = wakeAt;
      if (this.drainNow() > 0) continue;
      // A request may become the next one then, before one of the other class; but not again and again.
      ensure(this.mixed, `nothing at wakeAt ${wakeAt}`);
      ensure(++this.emptyWakes <= this.requests.length, 'wake-ups for nothing');
    }
    this.now = Math.max(this.now, Math.min(end, this.now + 1e15));
    this.drainNow();
  }

  /** Every request passes, in at most the time that all would take one by one. */
  finish(): void {
    let seconds = 60;
    for (const request of this.model.waiting) {
      for (const bucket of this.model.bucketsOf(request)) {
        seconds += this.model.secondsFor(request, bucket);
      }
    }
    const last = this.now + seconds * 1e9;
    while (this.model.waiting.length > 0) {
      const { wakeAt } = this.throttle;
      ensure(wakeAt <= last, `${this.model.waiting.length} wait until ${wakeAt}, not ${last}`);
      this.advance(wakeAt);
    }
    ensure(this.throttle.wakeAt === Infinity, 'a wake-up for nobody');
    ensure(this.admitted + this.cancelled === this.requests.length, 'lost or doubled requests');
  }

  private member(which: number): number {
    return this.members[which % this.members.length];
  }

  private join(path: string): void {
    const member = this.throttle.createMember('m');
    this.members.push(member);
    this.model.groupOf[member] = '';
    this.move(member, path);
  }

  private churn({ member: which, path, comes }: Step & { kind: 'churn' }): void {
    const member = this.member(which);
    if (this.members.length > 1 && this.throttle.memberStats(member).queued === 0) {
      this.throttle.removeMember(member);
      this.members.splice(this.members.indexOf(member), 1);
    }
    if (comes) this.join(path);
  }

  private submit({ member: which, direction, bytes }: Step & { kind: 'submit' }): void {
    const member = this.member(which);
    const request = { id: this.requests.length, member, direction, bytes };
    if (request.id === 512) return;
    this.requests.push(request);
    this.mixed ||= (direction === 0) !== (this.requests[0].direction === 0);
    if (!this.throttle.submit(request.id, member, direction, bytes, this.now)) {
      this.model.waiting.push(request);
      this.model.noteLargest();
    } else this.admit(request, false);
  }

  private drainNow(): number {
    let count = 0;
    this.model.noteLargest();
    for (let id = this.throttle.next(this.now); id !== -1; id = this.throttle.next(this.now)) {
      this.admit(this.requests[id], true);
      count++;
    }
    this.checkWorkConserving();
    return count;
  }

  private admit(request: PlainRequest, wasWaiting: boolean): void {
    const wrong = this.model.admit(request, this.now, wasWaiting);
    ensure(wrong === '', wrong);
    ensure(!this.throttle.isWaiting(request.id), 'waits although it went');
    this.throttle.complete(request.id, this.now);
    this.admitted++;
  }

  /** Each waiting request shares a bucket with a request (perhaps itself) that has a full bucket. */
  private checkWorkConserving(): void {
    const heads = this.model.heads();
    const stuck = heads.filter((head) =>
      this.model.bucketsOf(head).some((bucket) => this.model.isFullFor(head, bucket, this.now)),
    );
    const taken = new Set(stuck.flatMap((head) => this.model.bucketsOf(head)));
    for (const head of heads) {
      const shares = this.model.bucketsOf(head).some((bucket) => taken.has(bucket));
      ensure(shares, `${head.id} waits at ${this.now} although nothing is full`);
    }
  }

  private cancel(which: number): void {
    if (this.model.waiting.length === 0) return;
    const [request] = this.model.waiting.splice(which % this.model.waiting.length, 1);
    ensure(this.throttle.cancel(request.id), 'cannot cancel');
    this.cancelled++;
  }

  private limit(path: string, limits: Limits): void {
    this.throttle.setLimits(this.throttle.findGroup(path)!, limits, this.now);
    this.model.setLimits(path, limits, this.now);
  }

  private move(member: number, path: string): void {
    this.throttle.moveMember(member, this.throttle.findGroup(path)!, this.now);
    this.model.groupOf[member] = path;
  }
}

function ensure(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

const treeOf = fc.array(limitsOf, { minLength: PATHS.length, maxLength: PATHS.length });

function check(steps: fc.Arbitrary<Step[]>, members = MEMBERS, numRuns = 300): void {
  const property = fc.property(treeOf, steps, (limits, list) => {
    const run = new Run(limits, members);
    if (members > MEMBERS) run.crowd();
    for (const step of list) run.step(step);
    run.finish();
  });
  fc.assert(property, { numRuns, includeErrorInReport: true });
}

test('random trees and arrivals: bounds, order, work, wake-ups, nothing lost', (t) => {
  t.notThrows(() => check(stepsOf()));
});

test('the same with reads alone, which makes every wake-up exact', (t) => {
  t.notThrows(() => check(stepsWith(submitStepOf(fc.constant(0)), limitsStep, moveStep)));
});

test('the same with requests that are cancelled', (t) => {
  t.notThrows(() => check(stepsOf(cancelStep)));
});

test('the same with cancels, changes of limits and members that move', (t) => {
  t.notThrows(() => check(stepsOf(cancelStep, limitsStep, moveStep)));
});

test('the same with hundreds of members that come and go, and whose numbers are used again', (t) => {
  const often = Array.from({ length: 8 }, () => churnStep);
  t.notThrows(() => check(stepsOf(cancelStep, limitsStep, limitsStep, ...often), 300, 30));
});

test('one bucket: the bytes up to a request less 10 ms decide when it goes, however late we ask', (t) => {
  const arrivals = fc.array(fc.integer({ min: 1, max: 3e6 }), { minLength: 1, maxLength: 40 });
  const path = fc.constantFrom(...PATHS.slice(0, 3));
  const rateOf = fc.integer({ min: 1, max: 1e7 });
  const latenesses = fc.array(fc.integer({ min: 0, max: 1e9 }), { minLength: 1, maxLength: 40 });
  const property = fc.property(arrivals, path, rateOf, latenesses, (sizes, at, bps, lates) => {
    const limits = PATHS.map((p) => ({ ...NO_LIMITS, bps: p === at ? bps : Infinity }));
    const { throttle, now: start } = new Run(limits);
    let bytes = 0;
    const due = (size: number): number => start + ((bytes + size) / bps) * 1e9 - 10e6;
    for (const [id, size] of sizes.entries()) {
      const passes = throttle.submit(id, 0, WRITE, size, start);
      if (passes) bytes += size;
      else ensure(due(size) > start || throttle.wakeAt < Infinity, `${id} waits`);
    }
    let turn = 0;
    while (throttle.wakeAt < Infinity) {
      const now = throttle.wakeAt + lates[turn++ % lates.length];
      for (let id = throttle.next(now); id !== -1; id = throttle.next(now)) {
        ensure(due(sizes[id]) <= now + 1000, `${id} went too early`);
        bytes += sizes[id];
      }
      const waiting = sizes.findIndex((_, id) => throttle.isWaiting(id));
      ensure(waiting === -1 || due(sizes[waiting]) > now - 1000, `${waiting} is late`);
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});
