import test from 'ava';
import { newSettings } from '../../src/control/settings.js';
import { formatPerGb, parseSized } from '../../src/tree/sized-report.js';

test('io.per_gb tells what is set, and in a second line what it comes to', (t) => {
  const settings = newSettings();
  const none = 'rbps=max wbps=max bps=max riops=max wiops=max iops=max';
  t.is(formatPerGb(settings, null), none);
  t.is(parseSized(none), undefined);
  settings.perGb.iops = { rate: 10, minimum: 500 };
  settings.perGb.bps = { rate: 7, minimum: 0 };
  const sized = { bytes: 4096, limits: { bps: Infinity, iops: 500 } };
  const text = formatPerGb(settings, sized);
  t.is(
    text,
    'rbps=max wbps=max bps=7 riops=max wiops=max iops=10/500\nbytes=4096 now.bps=max now.iops=500',
  );
  t.deepEqual(parseSized(text), sized);
});
