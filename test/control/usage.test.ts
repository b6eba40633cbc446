import test from 'ava';
import { limitThatHolds, limitUses, sharesOf } from '../../src/control/usage.js';
import { parseGroup } from '../../src/tree/reports.js';
import { GROUPS } from '../helpers/top-sight.js';

test('the limit that is used most comes first, with its rate of the last second', (t) => {
  const group = parseGroup('g', {
    'io.times':
      'total op=read span=second requests=30 bytes=122880\n' +
      'total op=write span=second requests=20 bytes=81920\n' +
      'total op=discard span=second requests=5 bytes=20480\n',
    'io.max': 'rbps=max wbps=204800 bps=409600 riops=60 wiops=max iops=1000 iops_size=0\n',
  });
  t.deepEqual(limitUses(group), [
    { key: 'bps', rate: 225_280, limit: 409_600 },
    { key: 'wbps', rate: 102_400, limit: 204_800 },
    { key: 'riops', rate: 30, limit: 60 },
    { key: 'iops', rate: 55, limit: 1000 },
  ]);
});

test('a large request counts as several where iops_size says so', (t) => {
  const group = parseGroup('g', {
    'io.times': 'total op=read span=second requests=10 bytes=1048576\n',
    'io.max': 'riops=1000 iops_size=4096\n',
  });
  t.deepEqual(limitUses(group), [{ key: 'riops', rate: 256, limit: 1000 }]);
});

test('a limit that hosts share is what this host has of it', (t) => {
  const group = parseGroup('g', {
    'io.times': 'total op=read span=second requests=10 bytes=40960\n',
    'io.max': 'iops=1000 rbps=81920\n',
    'io.shared':
      'state=granted granted=iops:10 wanted=iops:1000 peers=2 age_ms=1 store_ms=1 fault=none\n',
  });
  t.deepEqual(limitUses(group), [
    { key: 'iops', rate: 10, limit: 10 },
    { key: 'rbps', rate: 40_960, limit: 81_920 },
  ]);
  t.is(limitThatHolds(group)?.key, 'iops');
});

test('a request that falls into the next second does not free a group of its limit', (t) => {
  const held = (words: string, requests: number, bytes: number, queued = 128): string | null => {
    const group = parseGroup('g', {
      'io.stat': `total queued=${queued} inflight=0\n`,
      'io.times': `total op=read span=second requests=${requests} bytes=${bytes}\n`,
      'io.max': `${words}\n`,
    });
    return limitThatHolds(group)?.key ?? null;
  };
  t.is(held('iops=10', 9, 36_864), 'iops');
  t.is(held('iops=10', 8, 32_768), null);
  t.is(held('iops=10', 9, 36_864, 0), null);
  t.is(held('iops=1000', 900, 3_686_400), null);
  t.is(held('bps=2097152', 1, 1_048_576), 'bps');
  t.is(held('bps=1048576', 0, 0), 'bps');
  t.is(held('bps=104857600', 0, 0), null);
  t.is(held('iops=100 iops_size=65536', 5, 5_242_880), 'iops');
  t.is(held('iops=100 iops_size=65536', 4, 4_194_304), null);
});

test('shares are those of siblings that are busy and that no limit holds', (t) => {
  const shares = sharesOf(GROUPS);
  t.deepEqual([...shares.keys()], ['gold', 'silver']);
  const percent = (path: string) => {
    const { got, asked } = shares.get(path)!;
    return [Math.round(got * 1000) / 10, Math.round(asked * 1000) / 10];
  };
  t.deepEqual(percent('gold'), [75, 80]);
  t.deepEqual(percent('silver'), [25, 20]);
});

test('the members of the root group count as one group of weight 100', (t) => {
  const root = parseGroup('', {
    'io.stat': 'disk queued=0 inflight=0\nother queued=0 inflight=0\ntotal queued=0 inflight=0\n',
    'io.times': 'disk op=read span=second requests=60 bytes=245760\n',
    'io.depth': 'auto 8\n',
    'io.cost': 'ios\n',
  });
  const group = parseGroup('g', {
    'io.times': 'total op=write span=second requests=40 bytes=41943040\n',
    'io.weight': 'default 300\n',
  });
  t.deepEqual([...sharesOf([root, group])], [['g', { got: 0.4, asked: 0.75 }]]);
});
