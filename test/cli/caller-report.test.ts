import test from 'ava';
import { formatCallerTable } from '../../src/cli/caller-report.js';
import type { Caller } from '../../src/server/caller-names.js';

const CALLER: Caller = {
  ...{ pid: 4242, uid: 1000, recent: 0.756, threads: 2, command: 'fio job.fio', cgroup: '/build' },
  ...{ rios: 1500, wios: 500, dios: 0, rbytes: 1_572_864, wbytes: 0, dbytes: 0 },
  ...{ waitNs: 4e9, serviceNs: 2e9, longestNs: 12_340_000, followedNs: 30e9 },
};

test('the table of callers', (t) => {
  const cache = {
    ...CALLER,
    cgroup: '',
    pid: 0,
    command: '[page cache]',
    rios: 0,
    wios: 0,
    rbytes: 0,
  };
  t.is(
    formatCallerTable([CALLER, cache]),
    [
      ' PID   UID  LATELY     READ  WRITTEN  REQUESTS  WAIT  SERVICE  LONGEST   FOR  CGROUP  COMMAND',
      '4242  1000  75.6 %  1.5 MiB      0 B        2k  2 ms     1 ms  12.3 ms  30 s  /build  fio job.fio',
      '   -     -  75.6 %      0 B      0 B         0     -        -  12.3 ms  30 s  -       [page cache]',
      '',
    ].join('\n'),
  );
  t.is(formatCallerTable([]), 'No process has made a request.\n');
});

test('of a long cgroup the end is shown', (t) => {
  const cgroup = `/system.slice/${'x'.repeat(20)}/build-7.scope`;
  const text = formatCallerTable([{ ...CALLER, cgroup }]);
  t.true(text.includes(`  ...${'x'.repeat(15)}/build-7.scope  fio`), text);
});

test('a long command line is cut', (t) => {
  const text = formatCallerTable([{ ...CALLER, command: 'x'.repeat(200) }]);
  t.true(text.endsWith(`  ${'x'.repeat(77)}...\n`));
});
