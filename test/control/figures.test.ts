import { Worker } from 'node:worker_threads';
import test from 'ava';
import { FigureReader, type GroupFigures } from '../../src/control/figures.js';
import { newSettings } from '../../src/control/settings.js';
import { Counters, type FigureNews } from '../../src/throttle/stats.js';
import { type Group, READ, Throttle, WRITE } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';
import { IN_THE_END_MS } from '../helpers/proc.js';
import fc from '../helpers/random-sequences.js';

/** A throttle, and a reader that gets its reports as another thread would. */
function setUp() {
  const reader = new FigureReader();
  const tell = (news: FigureNews): void => reader.take(structuredClone(news));
  return { reader, throttle: new Throttle(64, 8, new Counters(tell)) };
}

/** The figures of the throttle itself, in the order in which a reader returns them. */
function expected(throttle: Throttle, group: Group = throttle.root): GroupFigures[] {
  const members = [...group.members].map((member) => ({
    name: throttle.memberName(member),
    figures: throttle.memberStats(member),
  }));
  const below = [...group.children.values()].flatMap((child) => expected(throttle, child));
  return [{ path: group.path, members, total: throttle.groupStats(group) }, ...below];
}

const PATHS = ['a', 'b', 'a/x', 'a/y', 'b/x', 'a/x/deep'];
const STEP = fc.oneof(
  fc.record({ kind: fc.constant('make' as const), path: fc.constantFrom(...PATHS) }),
  fc.record({ kind: fc.constant('remove' as const), path: fc.constantFrom(...PATHS) }),
  fc.record({ kind: fc.constant('member' as const) }),
  fc.record({ kind: fc.constant('leave' as const), member: fc.nat(20) }),
  fc.record({
    kind: fc.constant('move' as const),
    member: fc.nat(20),
    path: fc.constantFrom('', ...PATHS),
  }),
  fc.record({ kind: fc.constant('submit' as const), member: fc.nat(20), write: fc.boolean() }),
  fc.record({ kind: fc.constant('complete' as const) }),
);

test('a reader that was told of everything has the figures of the throttle', (t) => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 120 }), (steps) => {
      const { reader, throttle } = setUp();
      const members: number[] = [];
      const inflight: number[] = [];
      const free = [...Array(64).keys()];
      let now = 0;
      const one = (index: number): number | undefined => members[index % members.length];
      const take = (step: (typeof steps)[number]): void => {
        if (step.kind === 'make') throttle.createGroup(step.path);
        else if (step.kind === 'remove') throttle.removeGroup(step.path);
        else if (step.kind === 'member') members.push(throttle.createMember(`m${now}`));
        else if (step.kind === 'complete') {
          const request = inflight.shift();
          if (request === undefined) return;
          throttle.complete(request, now);
          free.push(request);
          for (let next = throttle.next(now); next >= 0; next = throttle.next(now)) {
            inflight.push(next);
          }
        } else {
          const member = one(step.member);
          if (member === undefined) return;
          if (step.kind === 'leave') {
            throttle.removeMember(member);
            members.splice(members.indexOf(member), 1);
          } else if (step.kind === 'move') {
            const group = throttle.findGroup(step.path);
            if (group !== undefined) throttle.moveMember(member, group, now);
          } else {
            const request = free.pop();
            if (request === undefined) return;
            const direction = step.write ? WRITE : READ;
            if (throttle.submit(request, member, direction, 4096, now)) inflight.push(request);
          }
        }
      };
      for (const step of steps) {
        now += 1000;
        try {
          take(step);
        } catch (error) {
          if (!(error instanceof SluiceError)) throw error;
        }
      }
      t.deepEqual([...reader.groups()], expected(throttle));
      const states = reader.states(null);
      t.deepEqual(
        states.map(({ path, members: own, total }) => ({ path, members: own, total })),
        expected(throttle),
      );
    }),
    { numRuns: 500 },
  );
});

test('a member that is to be removed is in no list, and its requests are in the totals', (t) => {
  const { reader, throttle } = setUp();
  const [disk, rule] = [throttle.createMember('disk'), throttle.createMember('uid:1')];
  for (const member of [disk, rule]) throttle.submit(member, member, READ, 512, 0);
  const { edition } = reader;
  throttle.retireMember(rule, 0);
  t.not(reader.edition, edition);
  const [root] = [...reader.observations()];
  t.deepEqual([root?.members.map(({ name }) => name), root?.sums.length], [['disk'], 1]);
  t.is(root?.total.inflight, 2);
  t.deepEqual(reader.named()[0]?.members, ['disk']);
  t.deepEqual(
    reader.states(null).map(({ members, times }) => [members.length, times.members.length]),
    [[1, 1]],
  );
  t.deepEqual(
    throttle.carryOut(0).members.map(({ name }) => name),
    ['disk'],
  );
});

test('all groups are shown as of one moment', (t) => {
  const { reader, throttle } = setUp();
  throttle.createGroup('a');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, throttle.findGroup('a')!, 0);
  const groups = reader.groups();
  const root = groups.next().value!;
  throttle.submit(1, member, READ, 4096, 0);
  const child = groups.next().value!;
  t.deepEqual([root.total.inflight, child.total.inflight], [0, 0]);
  t.is([...reader.groups()][0]!.total.inflight, 1);
});

test('states of groups are those of the throttle', (t) => {
  const { reader, throttle } = setUp();
  throttle.createGroup('a');
  throttle.createGroup('a/x');
  const member = throttle.createMember('disk');
  throttle.moveMember(member, throttle.findGroup('a/x')!, 0);
  throttle.submit(1, member, READ, 4096, 0);
  throttle.complete(1, 500_000);
  const settings = { ...newSettings(), weight: 7 };
  reader.take({ kind: 'settings', group: throttle.findGroup('a')!.id, settings });
  t.deepEqual(reader.paths, ['', 'a', 'a/x']);
  const all = reader.states(null);
  t.deepEqual(
    all.map(({ path, members, total }) => ({ path, members, total })),
    expected(throttle),
  );
  t.deepEqual(all[1]!.settings, settings);
  t.deepEqual(all[2]!.settings, newSettings());
  const { times } = reader.states('a/x')[0]!;
  const spans = throttle.memberTimes(member, 500_000);
  t.is(times.members[0]!.name, 'disk');
  for (const one of [times.members[0]!.times, times.total, all[0]!.times.total]) {
    t.deepEqual(one.read!.mount, spans.read!.mount);
  }
  t.is(times.total.read!.mount.requests, 1);
  t.deepEqual(all[0]!.pressure.some, { avg10: 0, avg60: 0, avg300: 0, totalUs: 0 });
  t.deepEqual(reader.states('b'), []);
});

test('figures of a thread that never answers are read while it counts', async (t) => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    void import(workerData.stats).then(({ Counters }) => {
      const counters = new Counters((news) => parentPort.postMessage(news));
      counters.grow(8, 8);
      counters.memberNamed(0, 'disk', 0);
      for (;;) {
        counters.admitted(0, 0, 4096);
        counters.completed(0, 0, 4096, 0, 50_000, 0);
      }
    });`;
  const stats = new URL('../../src/throttle/stats.js', import.meta.url).href;
  const worker = new Worker(program, { eval: true, workerData: { stats } });
  const reader = new FigureReader();
  let news = 0;
  await new Promise<void>((resolve) => {
    worker.on('message', (message: FigureNews) => {
      reader.take(message);
      // Its rows, the member, and a page for times.
      if (++news === 3) resolve();
    });
  });
  const reads = (): number => [...reader.groups()][0]!.total.rios;
  const first = reads();
  const end = performance.now() + IN_THE_END_MS;
  while (reads() === first && performance.now() < end);
  t.true(reads() > first);
  const [root] = reader.groups();
  t.is(root!.path, '');
  t.is(root!.members[0]!.name, 'disk');
  await worker.terminate();
});
