import test from 'ava';
import {
  formatDepth,
  formatImages,
  formatPressure,
  formatReport,
  formatStats,
  parseGroup,
  parseImages,
  parseStats,
} from '../../src/tree/reports.js';

const WEB =
  'web rbytes=1572864 wbytes=4096 rios=384 wios=1 dbytes=0 dios=0 ' +
  'wait_usec=2500000 waits=2 queued=3 inflight=1';
const ZERO =
  'rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0 wait_usec=0 waits=0 queued=0 inflight=0';
const NOTHING = {
  rbytes: 0,
  wbytes: 0,
  rios: 0,
  wios: 0,
  dbytes: 0,
  dios: 0,
  waitNs: 0,
  waits: 0,
  queued: 0,
  inflight: 0,
};

test('io.stat is a line for each member and a total', (t) => {
  const stat = parseStats(`${WEB}\ntotal ${ZERO}\n`);
  t.deepEqual(stat, {
    members: [
      {
        name: 'web',
        figures: {
          rbytes: 1_572_864,
          wbytes: 4096,
          rios: 384,
          wios: 1,
          dbytes: 0,
          dios: 0,
          waitNs: 2_500_000_000,
          waits: 2,
          queued: 3,
          inflight: 1,
        },
      },
    ],
    total: NOTHING,
  });
});

test('members may be named with spaces, or total', (t) => {
  const stat = parseStats(`my disk ${ZERO}\ntotal ${ZERO}\ntotal rbytes=7\n`);
  t.deepEqual(
    stat.members.map((member) => member.name),
    ['my disk', 'total'],
  );
  t.is(stat.total.rbytes, 7);
});

test('keys of a later version are ignored', (t) => {
  t.deepEqual(parseStats(`total ${ZERO} new_key=3\n`), { members: [], total: NOTHING });
});

test('what is written is read back', (t) => {
  const stat = parseStats(`${WEB}\n${String.raw`\164otal`} ${ZERO}\ntotal ${ZERO}\n`);
  t.is(stat.members[1]!.name, 'total');
  t.deepEqual(parseStats(formatStats(stat).join('\n')), stat);
  const group = parseGroup('', {
    'io.pressure': 'some avg10=1.25 avg60=2.50 avg300=0.01 total=77\nfull avg10=3.00 total=5\n',
    'io.depth': 'auto 24\n',
    'io.cost': 'ios\n',
  });
  t.is(
    formatPressure(group.pressure),
    'some avg10=1.25 avg60=2.50 avg300=0.01 total=77\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=5',
  );
  t.is(formatDepth(group.mount!), 'auto 24');
  const lines = `${String.raw`my\040disk format=raw size=7 read_only=0 passthrough=1 path=/srv/my\040disk.img`}\n`;
  t.is(formatImages(parseImages(lines)), lines);
  const [head, path] = ['far format=raw size=7 read_only=0 passthrough=0', 'path=nbd://server/far'];
  const cache = String.raw`cache=/var/my\040cache kept=5 from_cache=3 from_server=4 growing=1`;
  t.is(formatImages(parseImages(`${head} ${cache} ${path}\n`)), `${head} ${cache} ${path}\n`);
});

test('only the root group says how many requests may be in flight', (t) => {
  t.false('mount' in parseGroup('slow', {}));
});

test('the log gets a thousand lines of figures at most', (t) => {
  const group = (path: string) => ({ path, ...parseStats(`${WEB}\ntotal ${ZERO}\n`) });
  t.deepEqual(formatReport([group(''), group('a/b')]), [
    `/: ${WEB}`,
    `/: total ${ZERO}`,
    `a/b: ${WEB}`,
    `a/b: total ${ZERO}`,
  ]);
  t.is(formatReport(Array(500).fill(group('a'))).length, 1000);
  const many = formatReport(Array(501).fill(group('a')));
  t.deepEqual([many.length, many.at(-1)], [1001, 'more groups follow: see sluice stat']);
});
