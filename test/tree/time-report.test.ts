import test from 'ava';
import { formatTimes, parseTimes, TIME_WORDS } from '../../src/tree/time-report.js';

const ZERO = [
  'requests=0 bytes=0',
  'wait_mean=0 wait_p50=0 wait_p90=0 wait_p99=0 wait_p999=0 wait_max=0',
  'service_mean=0 service_p50=0 service_p90=0 service_p99=0 service_p999=0 service_max=0',
].join(' ');
const BUSY = [
  'requests=1000 bytes=4096000',
  'wait_mean=1500 wait_p50=0 wait_p90=9000 wait_p99=20000 wait_p999=31000 wait_max=31001',
  'service_mean=90 service_p50=80 service_p90=120 service_p99=300 service_p999=900 service_max=2000',
].join(' ');
const TEXT = [
  `my\\040disk op=read span=second ${ZERO}`,
  `my\\040disk op=read span=minute ${BUSY}`,
  `my\\040disk op=read span=mount ${BUSY}`,
  `\\164otal op=discard span=second ${BUSY}`,
  `\\164otal op=discard span=minute ${BUSY}`,
  `\\164otal op=discard span=mount ${BUSY}`,
  `total op=read span=second ${ZERO}`,
  `total op=read span=minute ${BUSY}`,
  `total op=read span=mount ${BUSY}`,
];

test('io.times is read back, also with names that need escapes', (t) => {
  const times = parseTimes(`${TEXT.join('\n')}\n`);
  t.deepEqual(
    times.members.map(({ name, times }) => [name, Object.keys(times)]),
    [
      ['my disk', ['read']],
      ['total', ['discard']],
    ],
  );
  t.like(times.total.read?.minute, { requests: 1000, bytes: 4_096_000 });
  t.is(times.total.read?.minute.wait.p999, 31_000);
  t.is(times.total.read?.second.service.max, 0);
  t.deepEqual(formatTimes(times), TEXT);
});

test('each line has all keys; lines about something else are left out', (t) => {
  const [line] = TEXT;
  t.deepEqual(
    line!
      .split(' ')
      .slice(1)
      .map((word) => word.split('=')[0]),
    TIME_WORDS,
  );
  t.deepEqual(parseTimes('web op=flush span=second requests=3\nweb op=read span=year\n'), {
    members: [],
    total: {},
  });
  t.is(parseTimes('total op=read span=second requests=3\n').total.read?.second.wait.p99, 0);
});
