import test from 'ava';
import type { GroupSnapshot } from '../../src/control/control.js';
import { groupJson, parseSettings, readGroup, settingsJson } from '../../src/control/json.js';
import { parseWords } from '../../src/control/text.js';
import { parseGroup, parseImages } from '../../src/tree/reports.js';

const RATES = { rbps: null, wbps: null, bps: null, riops: null, wiops: null, iops: null };
const NOTHING = {
  rbytes: 0,
  wbytes: 0,
  rios: 0,
  wios: 0,
  dbytes: 0,
  dios: 0,
  waitUsec: 0,
  waits: 0,
  queued: 0,
  inflight: 0,
};
const CALM = { avg10: 0, avg60: 0, avg300: 0, totalUsec: 0 };

/** A group, as who asks a daemon for it reads it. */
const sentAndRead = (group: GroupSnapshot): GroupSnapshot =>
  readGroup(JSON.parse(JSON.stringify(groupJson(group))));

test('sluice stat --json has the window and the cost model of the root group', (t) => {
  const root = parseGroup('', { 'io.depth': 'auto 24\n', 'io.cost': 'ios\n' });
  t.deepEqual(JSON.parse(JSON.stringify(groupJson(root))), {
    path: '/',
    limits: { ...RATES, iopsSize: null },
    perGb: RATES,
    bursts: RATES,
    weight: 100,
    minimum: { bps: 0, iops: 0 },
    latencyUsec: null,
    pressure: { some: CALM, full: CALM },
    depth: { mode: 'auto', window: 24 },
    cost: 'ios',
    members: [],
    total: NOTHING,
    times: {},
  });
  const fixed = parseGroup('', { 'io.depth': '32\n', 'io.cost': 'linear\n' });
  t.like(groupJson(fixed), { depth: { mode: 32, window: 32 }, cost: 'linear' });
  for (const group of [root, fixed]) t.deepEqual(sentAndRead(group), group);
});

test('sluice stat --json has settings, pressure and figures of a group, and names as they are', (t) => {
  const slow = parseGroup('slow', {
    'io.max': 'rbps=max wbps=max bps=7 riops=max wiops=max iops=max iops_size=4096\n',
    'io.burst': 'rbps=max wbps=max bps=419430400/10 riops=max wiops=max iops=max\n',
    'io.per_gb': 'rbps=max bps=7/9\nbytes=4096 now.bps=7 now.iops=max\n',
    'io.weight': 'default 80\n',
    'io.min': 'bps=0 iops=5\n',
    'io.latency': 'target=2000\n',
    'io.pressure': 'some avg10=1.25 avg60=2.50 avg300=0.01 total=77\n',
    'io.times':
      'my\\040disk op=read span=second requests=3 bytes=1536 wait_mean=2 wait_p99=5 service_max=7\n',
    'io.stat': `${String.raw`my\040disk rbytes=3 wait_usec=2500001`}\ntotal rbytes=3 wait_usec=2500001\n`,
  });
  const none = { mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  const waitUsec = { ...none, mean: 2, p99: 5 };
  const second = { requests: 3, bytes: 1536, waitUsec, serviceUsec: { ...none, max: 7 } };
  const moved = { ...NOTHING, rbytes: 3, waitUsec: 2_500_001 };
  t.deepEqual(JSON.parse(JSON.stringify(groupJson(slow))), {
    path: 'slow',
    limits: { ...RATES, bps: 7, iopsSize: 4096 },
    perGb: { ...RATES, bps: { rate: 7, minimum: 9 } },
    sized: { bytes: 4096, limits: { bps: 7, iops: null } },
    bursts: { ...RATES, bps: { rate: 419_430_400, seconds: 10 } },
    weight: 80,
    minimum: { bps: 0, iops: 5 },
    latencyUsec: 2000,
    pressure: { some: { avg10: 1.25, avg60: 2.5, avg300: 0.01, totalUsec: 77 }, full: CALM },
    members: [{ name: 'my disk', figures: moved, times: { read: { second } } }],
    total: moved,
    times: {},
  });
  t.deepEqual(sentAndRead(slow), {
    ...slow,
    times: {
      ...slow.times,
      members: [{ name: 'my disk', times: { read: slow.times.members[0]!.times.read! } }],
    },
  });
});

test('settings are JSON by the words of sluice set, and members have their names', (t) => {
  const words = ['bps=10M', 'burst.bps=20M/5', 'weight=7', 'latency=2ms', 'member=-uid:7'];
  const changes = parseWords([...words, String.raw`member=my\040disk`], false);
  const json = {
    ...{ bps: 10485760, 'burst.bps': '20971520/5', weight: 7, latency: 2000 },
    member: ['-uid:7', 'my disk'],
  };
  t.deepEqual(settingsJson(changes), json);
  t.deepEqual(parseSettings(json, false), changes);
  t.deepEqual(parseSettings({ weight: 7 }, false), { weight: 7 });
  t.deepEqual(parseSettings({ member: 'a=b, c' }, false).members, [
    { member: { kind: 'image', name: 'a=b, c' }, remove: false },
  ]);
  t.deepEqual(parseSettings({}, false), {});
  t.throws(() => parseSettings({ depth: 3 }, false), { message: /only the root group/ });
  t.throws(() => parseSettings({ bps: 'fast' }, false), { message: /^bps=fast: expected/ });
});

test('sluice stat --json has the images of the mount', (t) => {
  const line = String.raw`my\040disk format=qcow2 size=1048576 read_only=1 path=/srv/a\075b`;
  const [image] = parseImages(`${line}\n`);
  t.deepEqual(image, {
    name: 'my disk',
    path: '/srv/a=b',
    format: 'qcow2',
    size: 1_048_576,
    readOnly: true,
    passthrough: false,
    faults: null,
  });
});

test('a group whose limits hosts share is sent and read', (t) => {
  const line =
    'state=granted granted=iops:250 wanted=iops:1000 peers=4 age_ms=17 store_ms=1 fault=none';
  const gold = parseGroup('gold', { 'io.shared': `${line}\n` });
  t.like(groupJson(gold).shared, {
    state: 'granted',
    peers: 4,
    ageMs: 17,
    storeMs: 1,
    fault: 'none',
  });
  t.is(groupJson(gold).shared?.granted.iops, 250);
  t.is(groupJson(gold).shared?.granted.bps, null);
  t.deepEqual(sentAndRead(gold), gold);
});
