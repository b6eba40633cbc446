import test from 'ava';
import { CALLERS_SHOWN, CallerNames, type ProcFacts } from '../../src/server/caller-names.js';
import { type CallerFigures, WRITE_BACK } from '../../src/throttle/callers.js';

const NOW = 1000;

/** Threads by number: their process and the second of their start. */
type Threads = Record<number, { pid: number; start: number; words?: string[] }>;

function facts(threads: Threads): ProcFacts {
  return {
    processOf: (thread) => threads[thread]?.pid ?? 0,
    startOf: (thread) => (thread in threads ? String(threads[thread]!.start * 100) : ''),
    cgroupsOf: (thread) => (thread in threads ? ['/v1', '/user/x'] : []),
    commandLine: (process) => threads[process]?.words ?? null,
    nameOf: (thread) => (thread in threads ? 'kworker/0:1' : ''),
    uptime: () => NOW,
  };
}

/** A thread that is followed since the second 900. */
function figures(thread: number, recent = 0.5): CallerFigures {
  return {
    ...{ thread, uid: 7, recent, rios: 1, wios: 2, dios: 3, rbytes: 4, wbytes: 5, dbytes: 6 },
    ...{ waitNs: 7, serviceNs: 8, longestNs: thread, followedNs: 100e9 },
  };
}

test('the threads of a process are added up', (t) => {
  const words = ['fio', '--name=a b'];
  const threads = { 10: { pid: 10, start: 1, words }, 11: { pid: 10, start: 2 } };
  const names = new CallerNames(facts(threads));
  t.deepEqual(names.name([figures(10, 0.25), figures(11, 0.5)]), [
    {
      ...{ pid: 10, command: 'fio --name=a b', cgroup: '/user/x', uid: 7, recent: 0.75 },
      ...{ threads: 2, rios: 2, wios: 4, dios: 6, rbytes: 8, wbytes: 10, dbytes: 12 },
      ...{ waitNs: 14, serviceNs: 16, longestNs: 11, followedNs: 100e9 },
    },
  ]);
});

test('a process that has ended keeps the name that was read before', (t) => {
  const threads: Threads = { 10: { pid: 10, start: 1, words: ['dd'] } };
  const names = new CallerNames(facts(threads));
  t.is(names.name([figures(10)])[0]!.command, 'dd');
  delete threads[10];
  t.is(names.name([figures(10)])[0]!.command, 'dd');
  t.is(names.name([figures(10)])[0]!.command, 'dd');
  t.like(new CallerNames(facts(threads)).name([figures(10)])[0], { pid: 10, command: '[ended]' });
  // Nobody follows it any more.
  names.name([]);
  t.is(names.name([figures(10)])[0]!.command, '[ended]');
});

test('a later process of the same number is not blamed', (t) => {
  const threads: Threads = { 10: { pid: 10, start: 950, words: ['innocent'] } };
  const names = new CallerNames(facts(threads));
  t.like(names.name([figures(10)])[0], { pid: 10, command: '[ended]', cgroup: '' });
  const old = { ...figures(10), followedNs: 40e9 };
  t.is(names.name([old])[0]!.command, 'innocent');
});

test('callers without a command line', (t) => {
  const names = new CallerNames(facts({ 5: { pid: 5, start: 1 } }));
  const found = names.name([figures(5, 0.4), figures(0, 0.3), figures(WRITE_BACK, 0.2)]);
  t.deepEqual(
    found.map(({ pid, command }) => [pid, command]),
    [
      [5, '[kworker/0:1]'],
      [0, '[not visible from here]'],
      [0, '[page cache]'],
    ],
  );
});

test('numbers of another pid namespace are not looked up', (t) => {
  const names = new CallerNames(facts({ 5: { pid: 5, start: 1, words: ['wrong'] } }));
  t.like(names.name([figures(5)], false)[0], { pid: 5, command: '[in another pid namespace]' });
});

test('a command line is one line, and not endless', (t) => {
  const words = ['a\x1b[2J\nb', 'x'.repeat(100_000)];
  const [caller] = new CallerNames(facts({ 5: { pid: 5, start: 1, words } })).name([figures(5)]);
  t.true(caller!.command.startsWith('a\\x1b[2J\\nb xxx'));
  t.is(caller!.command.length, 4096 + 4);
});

test('the processes that do most of late are shown', (t) => {
  const all = Array.from({ length: 60 }, (_, index) => figures(index + 1, (60 - index) / 2000));
  const found = new CallerNames(facts({})).name(all);
  t.is(found.length, CALLERS_SHOWN);
  t.is(found[0]!.pid, 1);
  t.is(found.at(-1)!.pid, 50);
});
