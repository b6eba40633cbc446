import test from 'ava';
import {
  checkPerGbs,
  limitsInForce,
  readSized,
  SizedLimits,
  sizedJson,
} from '../../src/control/sized-limits.js';
import { NO_BURSTS } from '../../src/throttle/bursts.js';
import { NO_LIMITS } from '../../src/throttle/limits.js';
import { SluiceError } from '../../src/util/errors.js';

const GIB = 1_073_741_824;

function sizedBy(rate: number, minimum: number, plain = Infinity): SizedLimits {
  const sized = new SizedLimits({ limits: { ...NO_LIMITS, iops: plain }, bursts: NO_BURSTS });
  sized.change({ perGb: { iops: { rate, minimum } } });
  return sized;
}

for (const { rate, minimum, plain, bytes, iops } of [
  { rate: 10, minimum: 0, plain: Infinity, bytes: 3 * GIB, iops: 30 },
  { rate: 10, minimum: 500, plain: Infinity, bytes: 3 * GIB, iops: 500 },
  { rate: 10, minimum: 500, plain: Infinity, bytes: 60 * GIB, iops: 600 },
  { rate: 10, minimum: 500, plain: 550, bytes: 60 * GIB, iops: 550 },
  { rate: 10, minimum: 500, plain: 450, bytes: 60 * GIB, iops: 450 },
  // Parts of a GiB, rounded down.
  { rate: 10, minimum: 0, plain: Infinity, bytes: 1.29 * GIB, iops: 12 },
  { rate: 10, minimum: 0, plain: Infinity, bytes: 512, iops: 1 },
  // Without images.
  { rate: 10, minimum: 500, plain: Infinity, bytes: 0, iops: 500 },
  { rate: 10, minimum: 0, plain: Infinity, bytes: 0, iops: Infinity },
  { rate: 10, minimum: 0, plain: 7, bytes: 0, iops: 7 },
  { rate: 1e15, minimum: 0, plain: Infinity, bytes: 1024 * GIB, iops: 1e15 },
]) {
  test(`${rate}/${minimum} beside ${plain} comes to ${iops} for ${bytes} bytes`, (t) => {
    const sized = sizedBy(rate, minimum, plain);
    sized.bytes = bytes;
    t.deepEqual(sized.inForce.limits, { ...NO_LIMITS, iops });
    t.deepEqual(sized.sized, { bytes, limits: { iops } });
    t.is(sized.stated.limits.iops, plain);
    t.deepEqual(readSized(JSON.parse(JSON.stringify(sizedJson(sized.sized)))), sized.sized);
    t.deepEqual(limitsInForce(sized.stated.limits, sized.sized), sized.inForce.limits);
  });
}

test('a burst is in force while its limit is there and not above it, and stays otherwise', (t) => {
  const sized = sizedBy(10, 0);
  const burst = { rate: 100, seconds: 2 };
  t.deepEqual(sized.change({ bursts: { iops: burst } }), []);
  for (const [gib, isThere] of [
    [0, false],
    [5, true],
    [10, true],
    [11, false],
    [3, true],
  ] as const) {
    sized.bytes = gib * GIB;
    t.deepEqual(sized.inForce.bursts.iops, isThere ? burst : null, `${gib} GiB`);
    t.deepEqual(sized.stated.bursts.iops, burst);
  }
});

test('without the limit that grows, a burst has to fit the plain one', (t) => {
  const burst = { rate: 100, seconds: 2 };
  for (const [plain, dropped] of [
    [Infinity, ['iops']],
    [101, ['iops']],
    [100, []],
  ] as const) {
    const sized = sizedBy(10, 0, plain);
    sized.change({ bursts: { iops: burst } });
    t.true(sized.isSized);
    t.deepEqual(sized.change({ perGb: { iops: null } }), dropped);
    t.false(sized.isSized);
    t.deepEqual(sized.stated.bursts.iops, dropped.length === 0 ? burst : null);
  }
});

test('values from code are checked', (t) => {
  const errno = (rate: number, minimum: number) =>
    t.throws(() => checkPerGbs({ bps: { rate, minimum } }), { instanceOf: SluiceError })?.errno;
  t.is(errno(0, 5), 'EINVAL');
  t.is(errno(Number.NaN, 5), 'EINVAL');
  t.is(errno(1, -1), 'EINVAL');
  t.is(errno(1e16, 0), 'ERANGE');
  t.is(errno(1, 1e16), 'ERANGE');
  t.notThrows(() => checkPerGbs({ bps: null, iops: { rate: 1e15, minimum: 1e15 } }));
});
