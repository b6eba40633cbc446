import test, { type ExecutionContext } from 'ava';
import { formatMember, formatMembers, parseMembers } from '../../src/control/members.js';
import { SluiceError } from '../../src/util/errors.js';

/** Checks that a parser refuses texts, each with an errno. */
function refuses(t: ExecutionContext, parse: (text: string) => unknown, texts: [string, string][]) {
  for (const [text, errno] of texts) {
    const error = t.throws(() => parse(text), { instanceOf: SluiceError }, JSON.stringify(text));
    t.is(error?.errno, errno, JSON.stringify(text));
    t.is(error?.exitCode, 2);
    t.false(error?.message.includes('\n'));
  }
}

test('members takes images and rules, one a line', (t) => {
  t.deepEqual(parseMembers('web\nuid:1000\ngid:0\npid:4242\ncgroup:/build/'), [
    { member: { kind: 'image', name: 'web' }, remove: false },
    { member: { kind: 'uid', id: 1000 }, remove: false },
    { member: { kind: 'gid', id: 0 }, remove: false },
    { member: { kind: 'pid', id: 4242 }, remove: false },
    { member: { kind: 'cgroup', path: '/build' }, remove: false },
  ]);
  t.deepEqual(parseMembers('my disk\n'), [
    { member: { kind: 'image', name: 'my disk' }, remove: false },
  ]);
  t.deepEqual(parseMembers('-uid:7'), [{ member: { kind: 'uid', id: 7 }, remove: true }]);
  // Only rules can be removed: an image's name may begin with a minus sign.
  t.deepEqual(parseMembers('-web'), [{ member: { kind: 'image', name: '-web' }, remove: false }]);
  refuses(t, parseMembers, [
    ['', 'EINVAL'],
    ['\n \n', 'EINVAL'],
    ['uid:', 'EINVAL'],
    ['uid:-1', 'EINVAL'],
    ['uid:ro ot', 'EINVAL'],
    ['gid:a:b', 'EINVAL'],
    ['pid:init', 'EINVAL'],
    ['uid:1.0', 'EINVAL'],
    ['uid:1000 gid:1', 'EINVAL'],
    ['gid:0x10', 'EINVAL'],
    ['cgroup:', 'EINVAL'],
    ['cgroup:build', 'EINVAL'],
    ['cgroup:/a//b', 'EINVAL'],
    ['cgroup:/../a', 'EINVAL'],
    ['web\nweb', 'EINVAL'],
    ['uid:5\nuid:05', 'EINVAL'],
    ['pid:0', 'ERANGE'],
    ['pid:4194305', 'ERANGE'],
    ['uid:4294967295', 'ERANGE'],
    ['gid:99999999999999999999', 'ERANGE'],
  ]);
});

test('a member is written as it is read, and may be given as it is', (t) => {
  t.deepEqual(parseMembers('total')[0]!.member, { kind: 'image', name: 'total' });
  t.deepEqual(parseMembers('my disk')[0]!.member, { kind: 'image', name: 'my disk' });
  t.deepEqual(parseMembers(String.raw`my\040disk`)[0]!.member, { kind: 'image', name: 'my disk' });
  for (const text of [
    'web',
    'uid:1000',
    'gid:100',
    'uid:www-data',
    'pid:1',
    'cgroup:/',
    String.raw`cgroup:/a\040b:c`,
    String.raw`my\040disk\134\075`,
    String.raw`\164otal`,
  ]) {
    t.is(formatMember(parseMembers(text)[0]!.member), text);
  }
});

test('changes are written one a line and read back as they were', (t) => {
  const text = String.raw`web
-uid:1000
gid:users
-cgroup:/a\040b
-web`;
  t.is(formatMembers(parseMembers(text)), text);
});
