import test from 'ava';
import { ALIASES } from '../../src/control/aliases.js';
import { parseWords } from '../../src/control/text.js';
import { SluiceError } from '../../src/util/errors.js';

test('the tuning of a disk of libvirt is taken as it is', (t) => {
  const words = [
    ...['total_bytes_sec=10485760', 'read_iops_sec=400', 'write_iops_sec=0', 'size_iops_sec=4096'],
    ...['total_bytes_sec_max=20971520', 'total_bytes_sec_max_length=30', 'read_iops_sec_max=800'],
    ...['write_bytes_sec_max=0'],
  ];
  t.deepEqual(parseWords(words, false), {
    limits: { bps: 10485760, riops: 400, wiops: Infinity, iopsSize: 4096 },
    bursts: {
      bps: { rate: 20971520, seconds: 30 },
      riops: { rate: 800, seconds: 1 },
      wbps: null,
    },
  });
  t.is(ALIASES.length, 19);
});

for (const [words, message] of [
  [['read_iops_sec=x'], /^read_iops_sec=x: expected a number of requests per second/],
  [['read_iops_sec=1', 'riops=2'], /^riops=2: riops is given twice$|^read_iops_sec=1: riops is/],
  [['read_iops_sec_max_length=3'], /^read_iops_sec_max_length=3: goes with read_iops_sec_max, /],
  [['read_iops_sec_max=1', 'read_iops_sec_max=2'], /^read_iops_sec_max=2: .* is given twice$/],
  [
    ['read_iops_sec_max=9', 'read_iops_sec_max_length=x'],
    /^read_iops_sec_max=9 read_iops_sec_max_length=x: expected RATE\/SECONDS/,
  ],
  [['read_iops_sek=1'], /^read_iops_sek=1: no key "read_iops_sek"; did you mean read_iops_sec\?$/],
] as const) {
  test(`refused: ${words.join(' ')}`, (t) => {
    const error = t.throws(() => parseWords(words, false), { instanceOf: SluiceError, message });
    t.is(error?.errno, 'EINVAL');
  });
}
