import test, { type ExecutionContext } from 'ava';
import { parseMembers } from '../../src/control/members.js';
import { Members } from '../../src/plane/members.js';
import type { Processes } from '../../src/plane/rules.js';
import { READ, Throttle } from '../../src/throttle/throttle.js';
import { SluiceError } from '../../src/util/errors.js';

/** Two images, groups `gold` and `silver`, process 100 with thread 101 in /build. */
function setUp() {
  const alive = { start: '5000' };
  const processes: Processes = {
    processOf: (thread) => (alive.start !== '' && (thread === 100 || thread === 101) ? 100 : 0),
    idOf: (kind, name) => (name === 'alice' ? { uid: 1000, gid: 50 }[kind] : undefined),
    startOf: (process) => (process === 100 ? alive.start : ''),
    cgroupsOf: (thread) => (processes.processOf(thread) === 100 ? ['/build/x'] : []),
  };
  const throttle = new Throttle(16);
  const members = new Members(throttle, processes);
  const web = members.addImage('web');
  members.addImage('db');
  const gold = throttle.createGroup('gold');
  const silver = throttle.createGroup('silver');
  const write = (group: typeof gold, text: string): void => {
    members.prepare(group, parseMembers(text), 0)();
  };
  const names = (group: typeof gold): string[] =>
    members.list(group, 0).map((member) => throttle.memberName(member));
  /** The group charged for a call on `web`. */
  const charged = (uid: number, gid: number, thread: number, fromCache = false): string => {
    const member = members.charged(web, uid, gid, thread, fromCache, 0);
    return throttle.memberGroup(member).path;
  };
  return { alive, throttle, members, web, gold, silver, write, names, charged };
}

function refused(t: ExecutionContext, errno: string, change: () => void): void {
  t.is(t.throws(change, { instanceOf: SluiceError })?.errno, errno);
}

test('without rules a request is its image’s', (t) => {
  const { gold, write, charged } = setUp();
  write(gold, 'web');
  t.is(charged(1000, 100, 100), 'gold');
});

test('the most specific rule counts: pid, cgroup, uid, gid, image', (t) => {
  const { throttle, gold, write, charged } = setUp();
  const groups = ['by-gid', 'by-uid', 'by-cgroup', 'by-pid'].map((p) => throttle.createGroup(p));
  write(gold, 'web');
  t.is(charged(1000, 50, 101), 'gold');
  write(groups[0]!, 'gid:50');
  t.is(charged(1000, 50, 101), 'by-gid');
  write(groups[1]!, 'uid:1000');
  t.is(charged(1000, 50, 101), 'by-uid');
  write(groups[2]!, 'cgroup:/build');
  t.is(charged(1000, 50, 101), 'by-cgroup');
  write(groups[3]!, 'pid:100');
  t.is(charged(1000, 50, 101), 'by-pid');
  t.is(charged(1000, 50, 7), 'by-uid');
  t.is(charged(1, 1, 7), 'gold');
});

test('a write of the page cache is its image’s, and a caller out of sight has ids only', (t) => {
  const { silver, write, charged } = setUp();
  write(silver, 'uid:0\ncgroup:/');
  t.is(charged(0, 0, 0, true), '');
  t.is(charged(0, 0, 0), 'silver');
  t.is(charged(5, 5, 0), '');
});

test('a rule in the root group takes callers out of the groups of their images', (t) => {
  const { throttle, gold, write, charged } = setUp();
  write(gold, 'web');
  write(throttle.root, 'uid:0');
  t.is(charged(0, 0, 7), '');
  t.is(charged(1, 0, 7), 'gold');
});

test('a thread’s number means its process, which is listed', (t) => {
  const { gold, write, names, charged } = setUp();
  write(gold, 'pid:101');
  t.deepEqual(names(gold), ['pid:100']);
  t.is(charged(0, 0, 100), 'gold');
});

test('writing a rule again moves it, and -RULE takes it away', (t) => {
  const { gold, silver, write, names, charged } = setUp();
  write(gold, 'uid:1000');
  write(silver, 'uid:1000');
  t.deepEqual([names(gold), names(silver)], [[], ['uid:1000']]);
  refused(t, 'EINVAL', () => write(gold, '-uid:1000'));
  write(silver, '-uid:1000');
  t.deepEqual(names(silver), []);
  t.is(charged(1000, 0, 7), '');
  refused(t, 'ENOENT', () => write(silver, '-uid:1000'));
});

test('a list with one bad member changes nothing', (t) => {
  const { gold, write, names } = setUp();
  refused(t, 'ENOENT', () => write(gold, 'web\nuid:1\nnone'));
  refused(t, 'ENOENT', () => write(gold, 'web\npid:4711'));
  refused(t, 'ENOENT', () => write(gold, 'web\n-gid:3'));
  t.deepEqual(names(gold), []);
});

test('a group with groups below it takes no members', (t) => {
  const { throttle, gold, write, names } = setUp();
  throttle.createGroup('gold/a');
  refused(t, 'EBUSY', () => write(gold, 'web'));
  refused(t, 'EBUSY', () => write(gold, 'uid:1'));
  t.deepEqual(names(gold), []);
  t.deepEqual(names(throttle.root), ['web', 'db']);
});

test('the rule of a process that has ended goes, so its group can be removed', (t) => {
  const { alive, throttle, gold, write, names } = setUp();
  write(gold, 'pid:100');
  alive.start = '';
  t.deepEqual(names(gold), []);
  t.deepEqual(names(throttle.root), ['web', 'db']);
  t.notThrows(() => throttle.removeGroup('gold'));
});

test('a rule that goes while a request of it is in flight is not seen any more', (t) => {
  const { throttle, members, web, gold, write, names } = setUp();
  write(gold, 'uid:9');
  const member = members.charged(web, 9, 0, 0, false, 0);
  t.true(throttle.submit(0, member, READ, 4096, 0));
  write(gold, '-uid:9');
  t.deepEqual([names(gold), names(throttle.root)], [[], ['web', 'db']]);
  throttle.complete(0, 1);
  t.deepEqual(names(throttle.root), ['web', 'db']);
  t.false(throttle.root.members.has(member));
});

test('whoever waits is told of rules that come and go, and of nothing else', (t) => {
  const { members, gold, silver, write } = setUp();
  let told = 0;
  members.rulesChanged = () => told++;
  write(gold, 'web');
  t.is(told, 0);
  write(gold, 'uid:9\ngid:9');
  t.is(told, 1);
  write(silver, 'uid:9');
  t.is(told, 1);
  write(silver, '-uid:9');
  t.is(told, 2);
});

test('users and groups of users are taken by name, and shown by number', (t) => {
  const { gold, silver, write, names, charged } = setUp();
  write(gold, 'uid:alice\ngid:alice');
  t.deepEqual(names(gold), ['uid:1000', 'gid:50']);
  t.is(charged(1000, 1, 0), 'gold');
  write(gold, '-uid:alice');
  t.deepEqual(names(gold), ['gid:50']);
  const error = t.throws(() => write(silver, 'uid:1\nuid:bob'), { instanceOf: SluiceError });
  t.is(error?.errno, 'ENOENT');
  t.is(error?.message, 'uid:bob: there is no such user in /etc/passwd; give the number');
  t.deepEqual(names(silver), [], 'and nothing is changed');
});

test('where nobody tells who calls, rules are refused and images are not', (t) => {
  const { throttle, gold } = setUp();
  const nobody: Processes = {
    idOf: () => 0,
    processOf: () => 1,
    startOf: () => '1',
    cgroupsOf: () => [],
  };
  const members = new Members(throttle, nobody, true);
  members.addImage('web');
  for (const rule of ['uid:0', 'gid:root', 'pid:1', 'cgroup:/']) {
    refused(t, 'EOPNOTSUPP', () => members.prepare(gold, parseMembers(`web\n${rule}`), 0));
  }
  t.is(gold.members.size, 0);
  members.prepare(gold, parseMembers('web'), 0)();
  t.is(gold.members.size, 1);
});

test('an image that is passed through is in no group and cannot be moved to one', (t) => {
  const { members, throttle, gold, write } = setUp();
  members.addPassed('fast');
  for (const group of [gold, throttle.root]) refused(t, 'EBUSY', () => write(group, 'fast'));
  refused(t, 'EBUSY', () => write(gold, 'web\nfast'));
  t.false(members.list(throttle.root, 0).some((one) => throttle.memberName(one) === 'fast'));
});

test('of assignments that were good once, rules about ended processes go, and partitions are awaited', (t) => {
  const { alive, members, throttle, gold, write, names } = setUp();
  const all = ['web', 'web.p4', 'none.p1', 'uid:7', 'pid:100', 'cgroup:/build'];
  const asked = all.map((member) => ({ member, group: 'gold' }));
  t.deepEqual(members.stillGood(asked), asked);
  alive.start = '';
  const left = members.stillGood(asked).map(({ member }) => member);
  t.deepEqual(left, ['web', 'web.p4', 'none.p1', 'uid:7', 'cgroup:/build']);
  refused(t, 'ENOENT', () => write(gold, 'none.p1'));
  write(gold, 'web.p4');
  t.deepEqual(names(gold), ['web.p4']);
  const charged = { member: -1 };
  members.addPartition('web.p4', charged, 0);
  t.is(throttle.memberGroup(charged.member).path, 'gold');
});
