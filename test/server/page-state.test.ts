import test from 'ava';
import { pageState } from '../../src/server/page-state.js';
import { parseGroup } from '../../src/tree/reports.js';

const ABOUT = { version: '1', mountpoint: '/mnt/s', images: ['disk'], canWrite: false };
const NO_TIMES = 'wait_mean=0 wait_p99=0';
const SECOND = `disk op=write span=second requests=9 bytes=36864 wait_mean=100 wait_p99=200 service_mean=30 service_p99=40
disk op=write span=minute requests=9 bytes=36864 ${NO_TIMES}
disk op=write span=mount requests=9 bytes=36864 ${NO_TIMES}
`;

test('a group on the page has what completed in the last second', (t) => {
  const files = {
    'io.max': 'wiops=20\n',
    'io.weight': 'default 80\n',
    'io.stat': 'disk wios=9 queued=3 inflight=1\ntotal wios=9 queued=3 inflight=1\n',
    'io.times': SECOND + SECOND.replaceAll('disk', 'total'),
    'io.pressure': 'some avg10=12.50 avg60=0.00 avg300=0.00 total=0\n',
  };
  const { groups, more } = pageState(ABOUT, [parseGroup('', {}), parseGroup('gold', files)], []);
  t.is(more, 0);
  t.deepEqual(groups[1], {
    ...{ path: 'gold', weight: 80, limit: { key: 'wiops', limit: 20, rate: 9 } },
    limits: { wiops: 20 },
    ...{ share: { got: 1, asked: 1 }, read: 0, written: 36_864, reads: 0, writes: 9 },
    ...{ queued: 3, inflight: 1, pressure: 12.5 },
    ...{ wait: { mean: 100, p99: 200 }, service: { mean: 30, p99: 40 } },
    cause: 'the disk',
  });
  t.like(groups[0], { path: '/', limit: null, share: null, wait: { mean: null, p99: null } });
});

test('a page of thousands of groups and callers stays small', (t) => {
  const groups = Array.from({ length: 5000 }, (_, index) => parseGroup(`g${index}`, {}));
  const caller = {
    ...{
      pid: 1,
      uid: 0,
      recent: 0,
      threads: 1,
      command: 'x',
      cgroup: '/',
      waitNs: 0,
      serviceNs: 0,
    },
    ...{ rios: 1, wios: 0, dios: 0, rbytes: 1, wbytes: 0, dbytes: 0, longestNs: 0, followedNs: 0 },
  };
  const state = pageState(ABOUT, groups, Array(50).fill(caller));
  t.deepEqual([state.groups.length, state.more, state.callers.length], [200, 4800, 20]);
});
