import test from 'ava';
import { detailLines } from '../../../src/cli/top/detail.js';
import { rowsOf } from '../../../src/cli/top/rows.js';
import { UNICODE } from '../../../src/cli/top/spans.js';
import { FIRST_STATE } from '../../../src/cli/top/state.js';
import { plainText } from '../../../src/cli/top/styles.js';
import { parseShared } from '../../../src/tree/shared-report.js';
import { GROUPS, testSight } from '../../helpers/top-sight.js';

function details(name: string): string[] {
  const sight = testSight();
  const row = rowsOf(sight, FIRST_STATE).find((one) => one.name === name)!;
  const drawing = { sight, state: FIRST_STATE, glyphs: UNICODE };
  return detailLines(row, 80, drawing).map(plainText).slice(0, -1);
}

test('a group that its limit holds', (t) => {
  t.deepEqual(details('slow'), [
    '─ lab/slow ────────────────────────────────────────────────────────────────────',
    'limits    iops 10 of 10, burst 50 for 5 s',
    'weight    100; latency target 2 ms',
    'times     wait 2 s, p99 4 s; service 50 us, p99 200 us',
    'waits for the limit iops of lab/slow',
    'pressure  some 43.0% 8.9% 1.0%; full 0.0% 0.0% 0.0% (10 s, 60 s, 5 min)',
  ]);
});

test('a group that competes by its weight', (t) => {
  t.deepEqual(details('gold'), [
    '─ gold ────────────────────────────────────────────────────────────────────────',
    'limits    none',
    'weight    80; 80% among its busy siblings, got 75%',
    'times     wait 250 us, p99 500 us; service 50 us, p99 200 us',
    'waits for its turn; of the others silver gets most: 25%, by weight 20%',
    'pressure  some 43.0% 8.9% 1.0%; full 0.0% 0.0% 0.0% (10 s, 60 s, 5 min)',
  ]);
});

test('of a burst that is under way so much is left', (t) => {
  const groups = GROUPS.map((one) =>
    one.path === 'lab/slow' ? { ...one, burstsLeft: { iops: 3.25 } } : one,
  );
  const sight = testSight(groups);
  const row = rowsOf(sight, FIRST_STATE).find(({ name }) => name === 'slow')!;
  const drawing = { sight, state: FIRST_STATE, glyphs: UNICODE };
  t.is(
    plainText(detailLines(row, 80, drawing)[1]!),
    'limits    iops 10 of 10, burst 50 for 3.3 of 5 s',
  );
});

test('a limit that hosts share is what this host has of it', (t) => {
  const line = (words: string): string => {
    const shared = parseShared(words);
    const groups = GROUPS.map((one) => (one.path === 'lab/slow' ? { ...one, shared } : one));
    const sight = testSight(groups);
    const row = rowsOf(sight, FIRST_STATE).find(({ name }) => name === 'slow')!;
    const lines = detailLines(row, 80, { sight, state: FIRST_STATE, glyphs: UNICODE });
    return plainText(lines[1]!);
  };
  t.is(
    line('state=granted granted=iops:8 wanted=iops:10 peers=3 age_ms=1 store_ms=1 fault=none'),
    'limits    iops 10 of 8 (granted; all 3 hosts 10), burst 50 for 5 s',
  );
  t.is(
    line('state=safe granted=iops:5 wanted=iops:10 peers=0 age_ms=- store_ms=- fault=lost'),
    'limits    iops 10 of 5 (safe, store lost; all hosts 10), burst 50 for 5 s',
  );
});

test('a member has its own times, and the limits of its group', (t) => {
  t.deepEqual(details('db').slice(0, 2), [
    '─ db, member of silver ────────────────────────────────────────────────────────',
    'limits    none',
  ]);
});
