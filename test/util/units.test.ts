import test, { type ExecutionContext } from 'ava';
import { SluiceError } from '../../src/util/errors.js';
import {
  formatCount,
  formatSize,
  formatTime,
  parseCount,
  parseSize,
} from '../../src/util/units.js';
import fc from '../helpers/random-sequences.js';

type Parse = (text: string) => number;

function refuses(t: ExecutionContext, parse: Parse, text: string, errno: string, message: string) {
  const error = t.throws(() => parse(text), { instanceOf: SluiceError, message });
  t.is(error?.errno, errno);
  t.is(error?.exitCode, 2);
}

test('sizes are powers of 1024, in either case, with or without iB', (t) => {
  const sizes: [string, number][] = [
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['4K', 4096],
    ['4k', 4096],
    ['4KiB', 4096],
    ['10M', 10_485_760],
    ['10 MiB', 10_485_760],
    ['1G', 1_073_741_824],
    ['1gib', 1_073_741_824],
    ['1T', 1_099_511_627_776],
    ['2P', 2_251_799_813_685_248],
  ];
  for (const [text, bytes] of sizes) t.is(parseSize(text), bytes, text);
});

test('counts are powers of 1000, in either case', (t) => {
  const counts: [string, number][] = [
    ['0', 0],
    ['1000', 1000],
    ['1k', 1000],
    ['20K', 20_000],
    ['3M', 3_000_000],
    ['1g', 1_000_000_000],
    ['1T', 1_000_000_000_000],
  ];
  for (const [text, count] of counts) t.is(parseCount(text), count, text);
});

test('decimals are taken when they come to a whole number', (t) => {
  t.is(parseSize('1.5G'), 1_610_612_736);
  t.is(parseSize('0.5K'), 512);
  t.is(parseCount('2.5k'), 2500);
  t.is(parseCount('0.001k'), 1);
});

test('a decimal that is not a whole number is refused', (t) => {
  refuses(
    t,
    parseSize,
    '1.1K',
    'EINVAL',
    '"1.1K" is not a whole number; write bytes as 512, 4K, 10M, 1.5G or 10MiB',
  );
  refuses(
    t,
    parseCount,
    '1.5',
    'EINVAL',
    '"1.5" is not a whole number; write a count as 500, 1k or 2.5M',
  );
});

test('what is no number is refused with an example', (t) => {
  for (const text of ['', 'ten', '-1', '+1', '1e3', '0x10', '.5', '5.', '1 000', ' 1', '1K ']) {
    refuses(
      t,
      parseSize,
      text,
      'EINVAL',
      `"${text}" is not a size; write bytes as 512, 4K, 10M, 1.5G or 10MiB`,
    );
    refuses(
      t,
      parseCount,
      text,
      'EINVAL',
      `"${text}" is not a count; write a count as 500, 1k or 2.5M`,
    );
  }
});

test('an unknown unit is refused, KB because it means 1000 to some', (t) => {
  for (const text of ['1KB', '1X', '1MM', '1iB', '1Ki']) {
    refuses(
      t,
      parseSize,
      text,
      'EINVAL',
      `"${text}" has an unknown unit; write bytes as 512, 4K, 10M, 1.5G or 10MiB`,
    );
  }
  refuses(
    t,
    parseCount,
    '1Ki',
    'EINVAL',
    '"1Ki" has an unknown unit; write a count as 500, 1k or 2.5M',
  );
});

test('a number above 2^53 - 1 is refused as out of range', (t) => {
  t.is(parseSize('9007199254740991'), 9_007_199_254_740_991);
  refuses(t, parseSize, '9007199254740992', 'ERANGE', '"9007199254740992" is too large');
  refuses(t, parseSize, '8P', 'ERANGE', '"8P" is too large');
  refuses(t, parseCount, '9008T', 'ERANGE', '"9008T" is too large');
});

test('sizes are written for people with one decimal at most', (t) => {
  t.is(formatSize(0), '0 B');
  t.is(formatSize(1023), '1023 B');
  t.is(formatSize(1536), '1.5 KiB');
  t.is(formatSize(1_048_575), '1 MiB');
  t.is(formatSize(268_435_456), '256 MiB');
  t.is(formatSize(2_251_799_813_685_248), '2 PiB');
  t.is(formatSize(Number.POSITIVE_INFINITY), 'max');
});

test('counts are written for people with one decimal at most', (t) => {
  t.is(formatCount(0), '0');
  t.is(formatCount(999), '999');
  t.is(formatCount(1000), '1k');
  t.is(formatCount(12_345), '12.3k');
  t.is(formatCount(999_960), '1M');
  t.is(formatCount(Number.POSITIVE_INFINITY), 'max');
});

test('a size written for people is read back to within its rounding', (t) => {
  const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(size, (bytes) => {
      const [digits = '', unit = ''] = formatSize(bytes).split(' ');
      const factor = 1024 ** ' KMGTPE'.indexOf(unit === 'B' ? ' ' : (unit[0] ?? ''));
      return Math.abs(Number(digits) * factor - bytes) <= 0.05 * factor + 1;
    }),
  );
  t.pass();
});

test('whole units are read back exactly as they are written', (t) => {
  const whole = fc.record({ n: fc.integer({ min: 1, max: 999 }), power: fc.nat({ max: 4 }) });
  fc.assert(
    fc.property(whole, ({ n, power }) => {
      const bytes = n * 1024 ** power;
      const count = n * 1000 ** power;
      return parseSize(formatSize(bytes)) === bytes && parseCount(formatCount(count)) === count;
    }),
  );
  t.pass();
});

test('text that is no number never comes back as one', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const value = parseSize(text);
        return Number.isSafeInteger(value) && value >= 0 && /^[0-9]/.test(text);
      } catch (error) {
        return error instanceof SluiceError;
      }
    }),
  );
  t.pass();
});

test('times are shown in microseconds, milliseconds or seconds', (t) => {
  const times = [0, 0.04, 85.26, 999.94, 999.96, 2100, 999_960, 1_500_000, 5_400_000_000];
  const texts = ['0 us', '0 us', '85.3 us', '999.9 us', '1 ms', '2.1 ms', '1 s', '1.5 s', '5400 s'];
  t.deepEqual(times.map(formatTime), texts);
});
