import test from 'ava';
import { callerJson, readCaller } from '../../src/server/caller-json.js';
import type { Caller } from '../../src/server/caller-names.js';

const CALLER: Caller = {
  ...{ pid: 4242, uid: 1000, recent: 0.756, threads: 2, command: 'fio job.fio', cgroup: '/build' },
  ...{ rios: 1500, wios: 500, dios: 0, rbytes: 1_572_864, wbytes: 0, dbytes: 0 },
  ...{ waitNs: 4e9, serviceNs: 2e9, longestNs: 12_340_000, followedNs: 30e9 },
};

test('a caller as JSON, and back', (t) => {
  const text = JSON.stringify(callerJson(CALLER));
  t.deepEqual(JSON.parse(text), {
    ...{ pid: 4242, uid: 1000, recent: 0.756, threads: 2, command: 'fio job.fio' },
    ...{ cgroup: '/build', rios: 1500, wios: 500, dios: 0 },
    ...{ rbytes: 1_572_864, wbytes: 0, dbytes: 0 },
    ...{ waitUsec: 4e6, serviceUsec: 2e6, longestUsec: 12_340, followedUsec: 30e6 },
  });
  t.deepEqual(readCaller(JSON.parse(text)), CALLER);
});
