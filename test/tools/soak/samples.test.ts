import test from 'ava';
import { toSvg } from '../../../tools/soak/chart.js';
import { growthOf, type Sample, sampleOf, toCsv } from '../../../tools/soak/samples.js';

/** Twelve samples of a daemon, changed by `change`. */
function samples(change: (minute: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 12 }, (_, minute) => {
    return { minute, rssMib: 80, descriptors: 34, threads: 20, ...change(minute) };
  });
}

test('flat curves with noise are no growth', (t) => {
  t.deepEqual(
    growthOf(
      'uring',
      samples((minute) => ({ rssMib: 80 + (minute % 3) * 5 })),
    ),
    [],
  );
  // The beginning is not counted.
  t.deepEqual(
    growthOf(
      'uring',
      samples((minute) => ({ rssMib: minute === 0 ? 20 : 80 })),
    ),
    [],
  );
});

test('each curve that rises is named', (t) => {
  t.deepEqual(
    growthOf(
      'uring',
      samples((minute) => ({ rssMib: 80 + 3 * minute })),
    ),
    ['uring: resident memory, MiB rose from 86.0 to 110.0'],
  );
  t.deepEqual(
    growthOf(
      'native',
      samples((minute) => ({ descriptors: 34 + (minute > 6 ? 1 : 0), threads: 20 + minute })),
    ),
    ['native: descriptors rose from 34.0 to 35.0', 'native: threads rose from 22.0 to 30.0'],
  );
});

test('a sample of this process has memory, descriptors and threads', (t) => {
  const { minute, rssMib, descriptors, threads } = sampleOf(process.pid, 3);
  t.is(minute, 3);
  t.true(rssMib > 10 && descriptors > 3 && threads > 1);
});

test('curves as text and as a picture', (t) => {
  const curves = new Map([
    ['uring', samples(() => ({})).slice(0, 2)],
    ['fuse-native', []],
  ]);
  t.is(
    toCsv(curves),
    'daemon,minute,rss_mib,descriptors,threads\nuring,0.00,80.0,34,20\nuring,1.00,80.0,34,20\n',
  );
  const svg = toSvg(curves, 'a title');
  t.is(svg.match(/<polyline /g)?.length, 3);
  t.true(svg.includes('>a title<') && svg.includes('>uring 80<') && svg.endsWith('</svg>\n'));
});
