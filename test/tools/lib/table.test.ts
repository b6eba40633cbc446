import test from 'ava';
import { formatBytesPerSecond, formatIops, markdownTable } from '../../../tools/lib/table.js';

test('a table is aligned, numbers to the right, bars escaped', (t) => {
  t.is(
    markdownTable(
      ['case', 'IOPS'],
      [
        ['a|b', '7'],
        ['long one', '12.5 K'],
      ],
    ),
    [
      '| case     |   IOPS |',
      '| -------- | -----: |',
      '| a\\|b     |      7 |',
      '| long one | 12.5 K |',
    ].join('\n'),
  );
});

test('rates keep about three digits and change their unit at its border', (t) => {
  t.is(formatIops(999.4), '999');
  t.is(formatIops(14_063), '14.1 K');
  t.is(formatIops(236_000), '236 K');
  t.is(formatIops(1_177_000), '1.18 M');
  t.is(formatBytesPerSecond(812_000_000), '812 MB/s');
  t.is(formatBytesPerSecond(9_010_000_000), '9.01 GB/s');
  t.is(formatBytesPerSecond(1_048_576), '1.05 MB/s');
});
