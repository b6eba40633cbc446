import test from 'ava';
import type { SharedFigures } from '../../src/lease/figures.js';
import { formatShared, parseShared } from '../../src/tree/shared-report.js';

test('io.shared is one line, and is read back', (t) => {
  const figures: SharedFigures = {
    ...({ state: 'granted', fault: 'none', peers: 8, ageMs: 41, storeMs: 1 } as const),
    ...{ granted: [-1, -1, 52_428_800, -1, -1, 2500], wanted: [-1, -1, 0, -1, -1, 20_000] },
  };
  const text = formatShared(figures);
  t.is(
    text,
    'state=granted granted=bps:52428800/iops:2500 wanted=bps:0/iops:20000 peers=8 age_ms=41 store_ms=1 fault=none',
  );
  t.deepEqual(parseShared(text), figures);
});

test('before the first answer there are no times', (t) => {
  const none = [-1, -1, -1, -1, -1, 3];
  const figures = { ageMs: null, storeMs: null, granted: none, wanted: none, peers: 0 };
  const text = formatShared({ ...figures, state: 'starting', fault: 'denied' });
  t.is(
    text,
    'state=starting granted=iops:3 wanted=iops:3 peers=0 age_ms=- store_ms=- fault=denied',
  );
  t.deepEqual(parseShared(text), { ...figures, state: 'starting', fault: 'denied' });
});
