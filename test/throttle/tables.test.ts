import test from 'ava';
import { READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { takeAll } from './drive.js';

/** A linear congruential generator modulo 2^32: the same choices in every run. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * limit);
  };
}

const REQUESTS = 4096;

/** Hundreds of members and groups that come, go and come back while requests wait. */
class Crowd {
  readonly throttle = new Throttle(REQUESTS);
  readonly random: (limit: number) => number;
  readonly members: number[] = [];
  readonly paths: string[] = [];
  readonly waiting = new Set<number>();
  readonly inflight: number[] = [];
  readonly free = Array.from({ length: REQUESTS }, (_, i) => i);
  now = 1e9;
  made = 0;
  admitted = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  step(): void {
    this.now += this.random(1e6);
    const choice = this.random(100);
    if (choice < 45) this.submit();
    else if (choice < 65) this.complete();
    else if (choice < 72) this.addMember();
    else if (choice < 78) this.dropMember();
    else if (choice < 84) this.addGroup();
    else if (choice < 88) this.dropGroup();
    else if (choice < 93) this.moveMember();
    else this.limit();
    this.drain();
  }

  drain(): void {
    for (let request = this.throttle.next(this.now); request >= 0; ) {
      if (!this.waiting.delete(request)) throw new Error(`${request} did not wait`);
      this.inflight.push(request);
      this.admitted++;
      request = this.throttle.next(this.now);
    }
  }

  /** Removes all limits: every waiting request must pass. */
  letGo(): void {
    for (const path of ['', ...this.paths]) this.setRate(path, Number.POSITIVE_INFINITY);
    for (let round = 0; round < 2 * REQUESTS && this.waiting.size > 0; round++) {
      this.now += 1e6;
      this.drain();
      while (this.inflight.length > 0) this.complete();
    }
  }

  private submit(): void {
    const request = this.free.pop();
    if (request === undefined || this.members.length === 0) return;
    const member = this.members[this.random(this.members.length)];
    const direction = this.random(2) === 0 ? READ : WRITE;
    if (this.throttle.submit(request, member, direction, 4096, this.now)) {
      this.inflight.push(request);
      this.admitted++;
    } else this.waiting.add(request);
  }

  complete(): void {
    const at = this.random(Math.max(1, this.inflight.length));
    const [request] = this.inflight.splice(at, 1);
    if (request === undefined) return;
    this.throttle.complete(request, this.now);
    this.free.push(request);
  }

  private addMember(): void {
    if (this.members.length < 600) this.members.push(this.throttle.createMember(`m${this.made++}`));
  }

  private dropMember(): void {
    const at = this.random(Math.max(1, this.members.length));
    const member = this.members[at];
    if (member === undefined) return;
    const { queued, inflight } = this.throttle.memberStats(member);
    if (queued + inflight > 0) return;
    this.throttle.removeMember(member);
    this.members.splice(at, 1);
  }

  private addGroup(): void {
    if (this.paths.length >= 300) return;
    const path = `g${this.made++}`;
    this.throttle.createGroup(path);
    this.paths.push(path);
    this.setRate(path, 1 + this.random(50));
  }

  private dropGroup(): void {
    const at = this.random(Math.max(1, this.paths.length));
    const path = this.paths[at];
    if (path === undefined || this.throttle.findGroup(path)!.members.size > 0) return;
    this.throttle.removeGroup(path);
    this.paths.splice(at, 1);
  }

  private moveMember(): void {
    const member = this.members[this.random(Math.max(1, this.members.length))];
    const path = this.paths[this.random(Math.max(1, this.paths.length))];
    if (member === undefined || path === undefined) return;
    this.throttle.moveMember(member, this.throttle.findGroup(path)!, this.now);
  }

  private limit(): void {
    const path = this.paths[this.random(Math.max(1, this.paths.length))];
    if (path !== undefined) this.setRate(path, 1 + this.random(5000));
  }

  private setRate(path: string, iops: number): void {
    this.throttle.setLimits(this.throttle.findGroup(path)!, { iops }, this.now);
  }
}

for (const seed of [1, 2, 3]) {
  test(`hundreds of members and groups that come and go: nothing waits for ever (seed ${seed})`, (t) => {
    const crowd = new Crowd(seed);
    for (let i = 0; i < 6000; i++) crowd.step();
    t.true(crowd.members.length > 50 && crowd.paths.length > 50);
    const { queued, inflight } = crowd.throttle.groupStats(crowd.throttle.root);
    t.deepEqual([queued, inflight], [crowd.waiting.size, crowd.inflight.length]);
    crowd.letGo();
    t.is(crowd.waiting.size, 0);
    const { rios, wios } = crowd.throttle.groupStats(crowd.throttle.root);
    t.is(rios + wios, crowd.admitted);
  });
}

test('a thousand members and hundreds of groups, made while requests wait, keep their order', (t) => {
  const throttle = new Throttle(4096);
  throttle.setLimits(throttle.root, { iops: 1000 }, 0);
  const order: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const member = throttle.createMember(`m${i}`);
    if (i % 4 === 0) throttle.moveMember(member, throttle.createGroup(`g${i}`), 0);
    if (!throttle.submit(i, member, READ, 4096, 0)) order.push(i);
  }
  t.is(order.length, 990);
  const gone: number[] = [];
  while (throttle.wakeAt < Infinity) gone.push(...takeAll(throttle, throttle.wakeAt));
  t.deepEqual(
    gone.toSorted((a, b) => a - b),
    order,
  );
  t.is(throttle.memberStats(0).rios, 1);
});
