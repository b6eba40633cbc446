import test from 'ava';
import { READ, Throttle } from '../../src/throttle/throttle.js';
import { MS } from './drive.js';

/** Groups with one member each under a window of 8. The test decides when requests complete. */
class Load {
  readonly throttle = new Throttle(1024);
  now = 1;
  /** Started requests by group, in order of their start. */
  readonly inflight: Readonly<Record<string, number[]>>;
  readonly #members = new Map<string, number>();
  readonly #groupOf: string[] = [];

  constructor(weights: Readonly<Record<string, number>>, leaves = Object.keys(weights)) {
    for (const [path, weight] of Object.entries(weights)) {
      this.throttle.setWeight(this.throttle.createGroup(path), weight);
    }
    for (const path of leaves) {
      const member = this.throttle.createMember(path);
      this.throttle.moveMember(member, this.throttle.findGroup(path)!, 0);
      this.#members.set(path, member);
    }
    this.inflight = Object.fromEntries(leaves.map((path) => [path, []]));
    this.throttle.setDepth(8, 0);
  }

  submit(group: string, count = 1): void {
    for (let i = 0; i < count; i++) {
      const request = this.#groupOf.push(group) - 1;
      const isFree = this.throttle.submit(request, this.#members.get(group)!, READ, 4096, this.now);
      if (isFree) this.inflight[group]!.push(request);
    }
  }

  /** Starts all requests that may start; returns their groups in this order. */
  start(): string[] {
    const started: string[] = [];
    for (let r = this.throttle.next(this.now); r !== -1; r = this.throttle.next(this.now)) {
      this.inflight[this.#groupOf[r]!]!.push(r);
      started.push(this.#groupOf[r]!);
    }
    return started;
  }

  complete(group: string): void {
    this.now += 50_000;
    this.throttle.complete(this.inflight[group]!.shift()!, this.now);
  }

  /** Keeps 16 requests of each group outstanding and completes the oldest request, `rounds` times. */
  warmUp(groups: readonly string[], rounds = 200): this {
    for (const group of groups) this.submit(group, 16);
    this.start();
    for (let i = 0; i < rounds; i++) {
      const oldest = groups
        .filter((group) => this.inflight[group]!.length > 0)
        .reduce((a, b) => (this.inflight[a]![0]! < this.inflight[b]![0]! ? a : b));
      this.complete(oldest);
      this.submit(oldest);
      this.start();
    }
    return this;
  }

  /**
   * Completes requests of both groups but sends none for `group`, until it has none waiting. Then completes
   * all of its requests but one, and all of the other group.
   */
  runOut(group: string, other: string): this {
    const waiting = () => this.throttle.groupStats(this.throttle.findGroup(group)!).queued;
    for (let i = 0; waiting() > 0; i++) {
      const [one] = (i % 5 === 0 ? [other, group] : [group, other]).filter(
        (path) => this.inflight[path]!.length > 0,
      ) as [string];
      this.complete(one);
      if (one === other) this.submit(other);
      this.start();
    }
    while (this.inflight[group]!.length > 1) this.complete(group);
    while (this.inflight[other]!.length > 0) this.complete(other);
    this.start();
    return this;
  }
}

test('a group that mostly has requests that wait keeps its turn while one is in flight', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']).runOut('a', 'b');
  t.true(load.inflight.b!.length <= 1, 'what b was owed it has; the other places are kept');
  t.deepEqual(load.start(), []);
  load.submit('a', 4);
  const started = load.start();
  t.deepEqual(started.slice(0, 4), ['a', 'a', 'a', 'a']);
});

test('with its last request in flight it gives its turn away', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']).runOut('a', 'b');
  load.complete('a');
  load.start();
  t.is(load.inflight.b!.length, 8, 'the whole window');
});

test('a group that seldom has requests that wait is not waited for', (t) => {
  const load = new Load({ a: 80, b: 20 });
  load.submit('a');
  load.submit('b', 64);
  load.start();
  for (let i = 0; i < 200; i++) {
    const one = load.inflight.a!.length > 0 ? 'a' : 'b';
    load.complete(one);
    load.submit(one);
    load.start();
  }
  while (load.inflight.a!.length === 0) {
    load.complete('b');
    load.start();
  }
  load.complete('b');
  t.deepEqual(load.start(), ['b'], 'though a is behind, and has a request in flight');
});

test('a group that waits for its limit is not waited for', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']);
  load.throttle.setLimits(load.throttle.findGroup('a')!, { iops: 10 }, load.now);
  load.start();
  while (load.inflight.a!.length > 1) load.complete('a');
  load.start();
  t.is(load.inflight.b!.length, 8 - load.inflight.a!.length);
});

test('a group is waited for for the sake of one below it', (t) => {
  const load = new Load({ top: 80, 'top/a': 100, c: 20 }, ['top/a', 'c']);
  load.warmUp(['top/a', 'c']).runOut('top/a', 'c');
  t.true(load.inflight.c!.length <= 1, `${load.inflight.c!.length}`);
  load.complete('top/a');
  load.start();
  t.is(load.inflight.c!.length, 8);
});

test('while others wait for a group they are looked at every millisecond', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']).runOut('a', 'b');
  t.is(load.throttle.wakeAt, load.now + MS);
  load.submit('a');
  t.true(load.throttle.wakeAt <= load.now, 'now there is something');
});

test('a group whose next request does not come for 10 ms is not waited for any longer', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']).runOut('a', 'b');
  load.now += 9 * MS;
  t.deepEqual(load.start(), []);
  load.now += MS;
  const started = load.start();
  t.is(load.inflight.b!.length, 7, `the rest of the window: ${started}`);
  load.submit('a');
  load.complete('b');
  load.start();
  load.complete('b');
  t.deepEqual(load.start(), ['b'], 'nor the next time');
});

test('a group whose last member moves away is not waited for', (t) => {
  const load = new Load({ a: 80, b: 20, c: 1 }, ['a', 'b']);
  load.warmUp(['a', 'b']).runOut('a', 'b');
  t.deepEqual(load.start(), []);
  load.throttle.moveMember(0, load.throttle.findGroup('c')!, load.now);
  load.start();
  t.is(load.inflight.b!.length, 7);
});

test('a minimum is served whoever is waited for', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']).runOut('a', 'b');
  load.throttle.setMinimum(load.throttle.findGroup('b')!, { iops: 1e6 }, load.now);
  load.now += MS;
  t.true(load.start().includes('b'));
});

test('when the mount ends nobody waits for anybody', (t) => {
  const load = new Load({ a: 80, b: 20 }).warmUp(['a', 'b']).runOut('a', 'b');
  load.throttle.drain();
  t.true(load.start().length > 0);
});
