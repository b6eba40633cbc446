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
  t.is(ALIASES.length, 31);
});

test('the limits of Cinder that grow with a volume are taken as they are', (t) => {
  const words = [
    ...[
      'total_iops_sec_per_gb=30',
      'total_iops_sec_per_gb_min=100',
      'read_bytes_sec_per_gb=1048576',
    ],
    ...['write_bytes_sec_per_gb=0', 'write_bytes_sec_per_gb_min=0', 'write_iops_sec_per_gb=2'],
    ...['write_iops_sec_per_gb_min=0', 'total_iops_sec_max=5000'],
  ];
  t.deepEqual(parseWords(words, false), {
    perGb: {
      iops: { rate: 30, minimum: 100 },
      rbps: { rate: 1048576, minimum: 0 },
      wbps: null,
      wiops: { rate: 2, minimum: 0 },
    },
    bursts: { iops: { rate: 5000, seconds: 1 } },
  });
});

test('every rate has its names', (t) => {
  const words =
    'read_bytes_sec=1 write_bytes_sec=2 total_bytes_sec=3 read_iops_sec=4 write_iops_sec=5 total_iops_sec=6 ' +
    'read_bytes_sec_max=10 read_bytes_sec_max_length=2 write_bytes_sec_max=20 write_bytes_sec_max_length=3 ' +
    'write_iops_sec_max=50 write_iops_sec_max_length=4 total_iops_sec_max=60 total_iops_sec_max_length=5 ' +
    'read_bytes_sec_per_gb=7 read_bytes_sec_per_gb_min=8 total_bytes_sec_per_gb=9 total_bytes_sec_per_gb_min=11';
  t.deepEqual(parseWords(words.split(' '), false), {
    limits: { rbps: 1, wbps: 2, bps: 3, riops: 4, wiops: 5, iops: 6 },
    bursts: {
      rbps: { rate: 10, seconds: 2 },
      wbps: { rate: 20, seconds: 3 },
      wiops: { rate: 50, seconds: 4 },
      iops: { rate: 60, seconds: 5 },
    },
    perGb: { rbps: { rate: 7, minimum: 8 }, bps: { rate: 9, minimum: 11 } },
  });
  const own = ['rbps=1', 'burst.rbps=4/1', 'wiops=2', 'burst.wiops=9/3', 'per_gb.wiops=7/5'];
  t.deepEqual(parseWords(own, false), {
    limits: { rbps: 1, wiops: 2 },
    bursts: { rbps: { rate: 4, seconds: 1 }, wiops: { rate: 9, seconds: 3 } },
    perGb: { wiops: { rate: 7, minimum: 5 } },
  });
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
  [['read_iops_sec_per_gb_min=3'], /^read_iops_sec_per_gb_min=3: goes with read_iops_sec_per_gb, /],
  [
    ['read_iops_sec_per_gb=0', 'read_iops_sec_per_gb_min=3'],
    /: a limit that does not grow is read_iops_sec=3$/,
  ],
  [['read_iops_sec_per_gb=2', 'read_iops_sec_per_gb=2'], /read_iops_sec_per_gb is given twice$/],
  [['read_iops_sek=1'], /^read_iops_sek=1: no key "read_iops_sek"; did you mean read_iops_sec\?$/],
] as const) {
  test(`refused: ${words.join(' ')}`, (t) => {
    const error = t.throws(() => parseWords(words, false), { instanceOf: SluiceError, message });
    t.is(error?.errno, 'EINVAL');
  });
}
