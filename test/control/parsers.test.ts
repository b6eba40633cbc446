import test, { type ExecutionContext } from 'ava';
import { parseBursts } from '../../src/control/parse-bursts.js';
import { formatMember, parseMembers } from '../../src/control/parse-members.js';
import {
  parseCost,
  parseDepth,
  parseLatency,
  parseMinimum,
  parseWeight,
} from '../../src/control/parse-shares.js';
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

test('io.weight takes a number from 1 to 10000, with or without `default`', (t) => {
  t.is(parseWeight('1'), 1);
  t.is(parseWeight('10000'), 10_000);
  t.is(parseWeight('default 80'), 80);
  t.is(parseWeight(' 80 '), 80);
  refuses(t, parseWeight, [
    ['', 'EINVAL'],
    ['default', 'EINVAL'],
    ['-1', 'EINVAL'],
    ['+1', 'EINVAL'],
    ['1.5', 'EINVAL'],
    ['1e3', 'EINVAL'],
    ['0x10', 'EINVAL'],
    ['80 90', 'EINVAL'],
    ['weight=80', 'EINVAL'],
    ['max', 'EINVAL'],
    ['0', 'ERANGE'],
    ['10001', 'ERANGE'],
    ['99999999999999999999999', 'ERANGE'],
  ]);
});

test('io.burst takes RATE/SECONDS for any of the rates, and max for none', (t) => {
  t.deepEqual(parseBursts('bps=400M/10'), { bps: { rate: 419_430_400, seconds: 10 } });
  t.deepEqual(parseBursts('iops=4k/0.5\nwbps=max'), {
    iops: { rate: 4000, seconds: 0.5 },
    wbps: null,
  });
  refuses(t, parseBursts, [
    ['', 'EINVAL'],
    ['bps', 'EINVAL'],
    ['bps=400M', 'EINVAL'],
    ['bps=/10', 'EINVAL'],
    ['bps=400M/', 'EINVAL'],
    ['bps=400M/-1', 'EINVAL'],
    ['bps=-400M/1', 'EINVAL'],
    ['bps=400M/1e3', 'EINVAL'],
    ['bps=400M/10/10', 'EINVAL'],
    ['bps=max/10', 'EINVAL'],
    ['bps=0/10', 'EINVAL'],
    ['bps=400M/0', 'EINVAL'],
    ['bps=1M/1 bps=2M/1', 'EINVAL'],
    ['iops_size=4K/1', 'EINVAL'],
    ['speed=1/1', 'EINVAL'],
    ['bps=400M/3601', 'ERANGE'],
    ['iops=2000T/1', 'ERANGE'],
    ['bps=99999999999999999999/1', 'ERANGE'],
  ]);
});

test('io.min takes bps and iops from 0', (t) => {
  t.deepEqual(parseMinimum('bps=10M iops=500'), { bps: 10_485_760, iops: 500 });
  t.deepEqual(parseMinimum('iops=0'), { iops: 0 });
  refuses(t, parseMinimum, [
    ['', 'EINVAL'],
    ['bps', 'EINVAL'],
    ['bps=', 'EINVAL'],
    ['bps=-1', 'EINVAL'],
    ['bps=max', 'EINVAL'],
    ['rbps=1', 'EINVAL'],
    ['bps=1 bps=1', 'EINVAL'],
    ['iops=2000T', 'ERANGE'],
    ['bps=99999999999999999999', 'ERANGE'],
  ]);
});

test('io.latency takes a target in microseconds, or max', (t) => {
  t.is(parseLatency('target=2000'), 2_000_000);
  t.is(parseLatency('target=500us'), 500_000);
  t.is(parseLatency('target=2ms'), 2_000_000);
  t.is(parseLatency('target=1s'), 1_000_000_000);
  t.is(parseLatency('target=max'), Number.POSITIVE_INFINITY);
  refuses(t, parseLatency, [
    ['', 'EINVAL'],
    ['2000', 'EINVAL'],
    ['target=', 'EINVAL'],
    ['target=-1', 'EINVAL'],
    ['target=2m', 'EINVAL'],
    ['target=61s', 'ERANGE'],
    ['target=2000 target=1', 'EINVAL'],
    ['target=0', 'ERANGE'],
    ['target=60000001', 'ERANGE'],
  ]);
});

test('io.depth takes auto or 1 to 4096, io.cost one of three words', (t) => {
  t.is(parseDepth('auto'), 'auto');
  t.is(parseDepth('1'), 1);
  t.is(parseDepth('4096'), 4096);
  refuses(t, parseDepth, [
    ['', 'EINVAL'],
    ['auto 24', 'EINVAL'],
    ['-1', 'EINVAL'],
    ['Auto', 'EINVAL'],
    ['0', 'ERANGE'],
    ['4097', 'ERANGE'],
  ]);
  for (const model of ['ios', 'bytes', 'linear'] as const) t.is(parseCost(model), model);
  refuses(t, parseCost, [
    ['', 'EINVAL'],
    ['io', 'EINVAL'],
    ['ios bytes', 'EINVAL'],
  ]);
});

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
