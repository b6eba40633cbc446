import test from 'ava';
import { formatCallers, parseCallers } from '../../src/tree/caller-report.js';

const CALLER = {
  ...{ thread: 42, uid: 1000, recent: 0.25, rios: 1, wios: 2, dios: 3 },
  ...{ rbytes: 4096, wbytes: 512, dbytes: 65_536 },
  ...{ waitNs: 6e6, serviceNs: 3e6, longestNs: 5000, followedNs: 4e9 },
};

test('a line of io.callers', (t) => {
  t.is(
    formatCallers([CALLER]),
    'thread=42 recent=25.000 uid=1000 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=65536 dios=3 ' +
      'wait_usec=6000 service_usec=3000 longest_usec=5 followed_usec=4000000\n',
  );
  t.is(formatCallers([]), '');
});

test('io.callers is read back, also from another version', (t) => {
  t.deepEqual(parseCallers(formatCallers([CALLER, { ...CALLER, thread: 0 }])), [
    CALLER,
    { ...CALLER, thread: 0 },
  ]);
  t.deepEqual(parseCallers(''), []);
  const [old] = parseCallers('total=1\nthread=7 rios=5 colour=red\n');
  t.like(old, { thread: 7, rios: 5, wios: 0, recent: 0 });
});
