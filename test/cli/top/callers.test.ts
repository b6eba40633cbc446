import test from 'ava';
import { CallerRates } from '../../../src/cli/top/callers.js';
import type { Caller } from '../../../src/server/caller-names.js';

function caller(own: Partial<Caller>): Caller {
  return {
    ...{ pid: 7, uid: 0, recent: 1, threads: 1, command: 'fio', cgroup: '/' },
    ...{ rios: 0, wios: 0, dios: 0, rbytes: 0, wbytes: 0, dbytes: 0 },
    ...{ waitNs: 0, serviceNs: 0, longestNs: 0, followedNs: 10e9 },
    ...own,
  };
}

test('the rates of a caller are those since the look before', (t) => {
  const rates = new CallerRates();
  const first = caller({ rios: 100, rbytes: 4000, waitNs: 500, serviceNs: 100 });
  t.like(rates.next([first], 1000)[0], { requests: 10, read: 400, waitNs: 5, serviceNs: 1 });
  const second = caller({ rios: 300, rbytes: 4000, waitNs: 900, serviceNs: 300, wbytes: 50 });
  const row = rates.next([second], 3000)[0];
  t.like(row, { requests: 100, read: 0, written: 25, waitNs: 2, serviceNs: 1 });
  t.like(rates.next([second], 4000)[0], { requests: 0, waitNs: null, serviceNs: null });
});

test('a caller that is followed anew counts since then', (t) => {
  const rates = new CallerRates();
  rates.next([caller({ rios: 1000 })], 0);
  const again = caller({ rios: 20, followedNs: 2e9 });
  t.is(rates.next([again], 5000)[0]!.requests, 10);
  t.is(rates.next([caller({ pid: 8, rios: 5, followedNs: 1e9 })], 6000)[0]!.requests, 5);
});
