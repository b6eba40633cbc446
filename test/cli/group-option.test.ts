import test, { type ExecutionContext } from 'ava';
import {
  checkAssignments,
  checkGroups,
  parseAssignOption,
  parseGroupOption,
} from '../../src/cli/group-option.js';
import { withParents } from '../../src/control/group-name.js';
import { SluiceError } from '../../src/util/errors.js';

function refuses(
  t: ExecutionContext,
  run: () => unknown,
  message: string,
  errno = 'EINVAL',
  exitCode = 2,
) {
  const error = t.throws(run, { instanceOf: SluiceError, message });
  t.is(error?.errno, errno);
  t.is(error?.exitCode, exitCode);
}

test('--group is a path, a colon and what to change', (t) => {
  t.deepEqual(parseGroupOption('slow'), { path: 'slow', changes: {} });
  t.deepEqual(parseGroupOption('team/build:iops=20k,rbps=10M,wbps=max,iops_size=4K'), {
    path: 'team/build',
    changes: { limits: { iops: 20_000, rbps: 10_485_760, wbps: Infinity, iopsSize: 4096 } },
  });
});

test('--group takes every key, in any order', (t) => {
  const text = 'gold:member=web,latency=2000,burst.bps=400M/10,min.iops=5,weight=80,bps=100M';
  t.deepEqual(parseGroupOption(`${text},min.bps=1M,member=uid:1000`), {
    path: 'gold',
    changes: {
      limits: { bps: 104_857_600 },
      bursts: { bps: { rate: 419_430_400, seconds: 10 } },
      weight: 80,
      minimum: { iops: 5, bps: 1_048_576 },
      latencyTarget: 2_000_000,
      members: [
        { member: { kind: 'image', name: 'web' }, remove: false },
        { member: { kind: 'uid', id: 1000 }, remove: false },
      ],
    },
  });
});

test('the root group is /, and only it has a window and a cost model', (t) => {
  t.deepEqual(parseGroupOption('/:depth=32,cost=ios'), {
    path: '',
    changes: { depth: 32, cost: 'ios' },
  });
  const message = '--group gold:depth=32: depth: only the root group, /, has it';
  refuses(t, () => parseGroupOption('gold:depth=32'), message);
});

test('a bad limit is told together with the option it stands in', (t) => {
  for (const text of ['slow:iops=-1', 'slow:iops=ten', 'slow:speed=3', 'slow:']) {
    const error = t.throws(() => parseGroupOption(text), { instanceOf: SluiceError });
    t.true(error?.message.startsWith(`--group ${text}: `), error?.message);
    t.false(error?.message.includes('\n'));
    t.is(error?.exitCode, 2);
  }
});

test("a group's path is made of names that its directory can have", (t) => {
  const cases: [string, string][] = [
    ['', '--group "": the group\'s path is empty'],
    [':iops=1', '--group ":iops=1": the group\'s path is empty'],
    ['a//b', "--group a//b: a name in the group's path is empty"],
    ['..', "--group ..: a group's name cannot begin with a dot"],
    ['a=b', '--group a=b: "=" and control characters cannot be part of a group\'s name'],
    ['caf\uFFFD', "--group caf\uFFFD: a group's name must be valid UTF-8"],
    ['io.max', '--group io.max: "io.max" is kept for a control file; choose another name'],
    ['members', '--group members: "members" is kept for a control file; choose another name'],
  ];
  for (const [text, message] of cases) refuses(t, () => parseGroupOption(text), message);
});

test('slashes around a path mean nothing', (t) => {
  for (const text of ['a/b', '/a/b', 'a/b/', '/a/b/']) t.is(parseGroupOption(text).path, 'a/b');
  t.is(parseAssignOption('disk=/a/b').group, 'a/b');
});

test('the groups above a group are made with it, as mkdir -p does', (t) => {
  t.deepEqual(withParents(['a/b/c', 'x', 'a/d']), ['a', 'a/b', 'a/b/c', 'x', 'a/d']);
});

test('a group is given once', (t) => {
  const group = { path: 'a', changes: {} };
  refuses(t, () => checkGroups([group, group]), '--group a: the group is given twice', 'EEXIST');
});

test('--assign is a member, = and a group; the last = splits', (t) => {
  t.deepEqual(parseAssignOption('disk=slow'), { member: 'disk', group: 'slow' });
  t.deepEqual(parseAssignOption('a=b=team/build'), { member: 'a=b', group: 'team/build' });
  for (const text of ['disk', 'disk=', '=slow', '']) {
    refuses(
      t,
      () => parseAssignOption(text),
      `--assign "${text}": write MEMBER=GROUP, for instance disk=slow`,
    );
  }
});

test('--assign takes rules about callers and the root group', (t) => {
  t.deepEqual(parseAssignOption('uid:1000=slow'), { member: 'uid:1000', group: 'slow' });
  t.deepEqual(parseAssignOption('cgroup:/a=b=/'), { member: 'cgroup:/a=b', group: '' });
  const message = '--assign uid:+1=slow: uid:+1: expected a name or a number from 0 to 4294967294';
  refuses(t, () => parseAssignOption('uid:+1=slow'), message);
  t.notThrows(() =>
    checkAssignments(
      [
        { member: 'uid:1000', group: 'slow' },
        { member: 'disk', group: '' },
      ],
      ['disk'],
      ['slow'],
    ),
  );
});

test('an unknown member or group is refused with the known ones', (t) => {
  const check = (member: string, group: string, groups: string[]) => () =>
    checkAssignments([{ member, group }], ['disk', 'web'], groups);
  t.notThrows(check('web', 'slow', ['slow']));
  refuses(
    t,
    check('dsk', 'slow', ['slow']),
    '--assign dsk=slow: no image is named "dsk"; images: disk, web',
  );
  refuses(
    t,
    check('disk', 'slwo', ['slow', 'fast']),
    '--assign disk=slwo: there is no group "slwo"; groups: slow, fast',
    'ENOENT',
  );
  refuses(
    t,
    check('disk', 'slow', []),
    '--assign disk=slow: there is no group "slow"; groups: none; give one with --group',
    'ENOENT',
  );
});

test('members belong to groups without children, and to one only', (t) => {
  const assign = (...groups: string[]) => groups.map((group) => ({ member: 'disk', group }));
  refuses(
    t,
    () => checkAssignments(assign('a'), ['disk'], ['a', 'a/b']),
    '--assign disk=a: the group has "a/b" below it; members live in groups without',
    'EBUSY',
    1,
  );
  refuses(
    t,
    () => checkAssignments(assign('a', 'b'), ['disk'], ['a', 'b']),
    '--assign disk=b: "disk" is assigned twice',
  );
});

test('the words of a shared limit stand among the others', (t) => {
  const url = 'valkey://h/gold?password-file=/etc/pw';
  t.like(parseGroupOption(`gold:iops=20k,shared=${url},safe=2k`), {
    path: 'gold',
    changes: { limits: { iops: 20_000 } },
    shared: { safePart: 0.1, weight: 100, target: { url, passwordFile: '/etc/pw' } },
  });
  t.throws(() => parseGroupOption(`gold:weight=5,shared=${url}`), {
    message: /^--group gold:.*: shared: there is no limit to share; add one such as iops=20k$/,
  });
  for (const word of ['per_gb.iops=1', 'burst.iops=9k/3']) {
    t.throws(() => parseGroupOption(`gold:iops=1k,${word},shared=${url}`), {
      message: /^--group gold:.*: (per_gb|burst): hosts share the limits of the group/,
    });
  }
});
