import test from 'ava';
import { parseMember } from '../../src/control/members.js';
import { type Processes, type RuleName, Rules } from '../../src/plane/rules.js';

const NONE = -1;

/** Process 100 with the threads 100 and 101, in /build/x of v1 and /user of v2. */
const PROCESSES: Processes = {
  idOf: () => undefined,
  processOf: (thread) => (thread === 100 || thread === 101 ? 100 : 0),
  startOf: (process) => (process === 100 ? '5000' : ''),
  cgroupsOf: (thread) => (thread === 100 || thread === 101 ? ['/', '/build/x', '/user'] : []),
};

function rules(...names: string[]): Rules {
  const made = new Rules();
  for (const [index, name] of names.entries()) {
    made.add(parseMember(name) as RuleName, index, '5000');
  }
  return made;
}

test('a process comes before its cgroup, whatever the order of the rules', (t) => {
  t.is(rules('cgroup:/build', 'pid:100').matchThread(100, PROCESSES), 1);
  t.is(rules('pid:100', 'cgroup:/build').matchThread(100, PROCESSES), 0);
});

test('a thread is its process', (t) => {
  t.is(rules('pid:100').matchThread(101, PROCESSES), 0);
  t.is(rules('pid:101').matchThread(101, PROCESSES), NONE);
});

test('a later process of the same number is not meant', (t) => {
  const later = { ...PROCESSES, startOf: () => '6000' };
  t.is(rules('pid:100').matchThread(100, later), NONE);
  t.deepEqual(rules('pid:100', 'uid:5').ended(later), [{ kind: 'pid', id: 100 }]);
  t.deepEqual(rules('pid:100', 'uid:5').ended(PROCESSES), []);
});

test('a cgroup is it and what is below it, in any hierarchy; the longest path wins', (t) => {
  t.is(rules('cgroup:/build').matchThread(100, PROCESSES), 0);
  t.is(rules('cgroup:/build/x').matchThread(100, PROCESSES), 0);
  t.is(rules('cgroup:/build/x/y').matchThread(100, PROCESSES), NONE);
  t.is(rules('cgroup:/bui').matchThread(100, PROCESSES), NONE);
  t.is(rules('cgroup:/user').matchThread(100, PROCESSES), 0);
  t.is(rules('cgroup:/').matchThread(100, PROCESSES), 0);
  t.is(rules('cgroup:/', 'cgroup:/build/x', 'cgroup:/build').matchThread(100, PROCESSES), 1);
});

test('a thread that is gone matches nothing', (t) => {
  t.is(rules('pid:100', 'cgroup:/').matchThread(7, PROCESSES), NONE);
});

test('a uid comes before a gid', (t) => {
  t.is(rules('gid:100', 'uid:1000').matchIds(1000, 100), 1);
  t.is(rules('gid:100', 'uid:1000').matchIds(1001, 100), 0);
  t.is(rules('gid:100', 'uid:1000').matchIds(1001, 101), NONE);
  t.is(rules('uid:0').matchIds(0, 0), 0);
});

test('only rules about processes and cgroups need /proc', (t) => {
  t.true(rules().isEmpty);
  t.false(rules('uid:1').isEmpty);
  t.false(rules('uid:1', 'gid:1').needsProcess);
  t.true(rules('cgroup:/').needsProcess);
  t.true(rules('pid:1').needsProcess);
});

test('a rule is found and deleted by its name', (t) => {
  for (const name of ['uid:1', 'gid:1', 'pid:1', 'cgroup:/a']) {
    const made = rules(name);
    const rule = parseMember(name) as RuleName;
    t.is(made.find(rule), 0);
    made.delete(rule);
    t.is(made.find(rule), NONE);
    t.true(made.isEmpty);
  }
});
