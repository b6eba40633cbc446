import test from 'ava';
import { Lease, type Report } from '../../src/lease/lease.js';
import { NOT_SHARED, type Rates } from '../../src/lease/rates.js';
import { RATES } from '../../src/throttle/limits.js';

const only = (rate: number): Rates => RATES.map((key) => (key === 'iops' ? rate : NOT_SHARED));
const IOPS = RATES.indexOf('iops');

/** A lease that has been answered with a grant of 500 of 1000, at time 0. */
function granted(safePart: number | null = 0.1): Lease {
  const lease = new Lease({ id: 'me', weight: 100, safePart }, only(1000));
  const { report } = lease.turn(0, only(1000));
  const now = lease.answered(report!.seq, { state: 'granted', peers: 2, grants: only(500) }, 1);
  if (now !== null) throw new Error('a larger grant counts later');
  const { apply } = lease.turn(11, only(1000));
  lease.confirmed(apply!.number, 12);
  return lease;
}

/** What the store is told at a moment. */
function reportAt(lease: Lease, now: number): Report {
  const { report } = lease.turn(now, only(1000));
  if (report === null) throw new Error(`no report at ${now}`);
  return report;
}

test('before the first answer the safe part counts, or a hundredth', (t) => {
  const terms = { id: 'me', weight: 100 };
  t.deepEqual(new Lease({ ...terms, safePart: 0.2 }, only(1000)).rates, only(200));
  const lease = new Lease({ ...terms, safePart: null }, only(1000));
  t.deepEqual(lease.rates, only(10));
  t.is(lease.state, 'starting');
  t.deepEqual(lease.turn(5, only(70)).report, {
    ...{ id: 'me', seq: 1, weight: 100, leaves: false },
    ...{ limits: only(1000), wants: only(70), held: only(10) },
  });
});

test('a larger grant counts 10 ms after it has come', (t) => {
  const lease = new Lease({ id: 'me', weight: 100, safePart: 0.1 }, only(1000));
  const { report } = lease.turn(0, only(1000));
  t.is(lease.answered(report!.seq, { state: 'granted', peers: 2, grants: only(500) }, 40), null);
  t.is(lease.storeMs, 40);
  t.is(lease.dueAt, 50);
  t.is(lease.turn(49, only(1000)).apply, null);
  t.deepEqual(lease.turn(50, only(1000)).apply, { number: 1, rates: only(500) });
  t.is(lease.state, 'granted');
});

test('a smaller grant counts at once, and is told to the store when it holds', (t) => {
  const lease = granted();
  const report = reportAt(lease, 100);
  const reply = { state: 'granted', peers: 3, grants: only(300) } as const;
  const apply = lease.answered(report.seq, reply, 101);
  t.deepEqual(apply?.rates, only(300));
  // Not confirmed: as far as anybody knows, 500 still pass.
  t.true(lease.dueAt > 150);
  t.true(lease.confirmed(apply!.number, 103));
  t.deepEqual(reportAt(lease, 103).held, only(300));
});

test('a report between a grant and its confirmation names the larger rate', (t) => {
  const lease = granted();
  const report = reportAt(lease, 100);
  lease.answered(report.seq, { state: 'granted', peers: 2, grants: only(200) }, 101);
  t.deepEqual(reportAt(lease, 200).held, only(500));
});

test('a grant that has yet to count is told as held', (t) => {
  const lease = granted();
  const first = reportAt(lease, 100);
  lease.answered(first.seq, { state: 'granted', peers: 2, grants: only(900) }, 195);
  t.deepEqual(reportAt(lease, 200).held, only(900));
});

test('without an answer the grant ends 2.5 s after the report that brought it, and safe counts', (t) => {
  const lease = granted();
  const { apply, report } = lease.turn(2499, only(1000));
  t.is(apply, null);
  t.not(report, null);
  t.is(lease.state, 'granted');
  t.deepEqual(lease.turn(2500, only(1000)).apply?.rates, only(100));
  t.is(lease.state, 'safe');
});

test('safe without a number is an equal part for the hosts last known', (t) => {
  const lease = granted(null);
  const report = reportAt(lease, 100);
  lease.answered(report.seq, { state: 'granted', peers: 4, grants: only(500) }, 101);
  t.deepEqual(lease.turn(2600, only(1000)).apply?.rates, only(250));
});

test('an answer to an earlier report counts for nothing', (t) => {
  const lease = granted();
  const late = reportAt(lease, 100);
  const next = reportAt(lease, 400);
  t.is(next.seq, late.seq + 1);
  const reply = { state: 'granted', peers: 2, grants: only(1) } as const;
  t.is(lease.answered(late.seq, reply, 401), null);
  t.is(lease.dueAt, 1000);
  t.is(lease.answered(next.seq, reply, 402)?.rates[IOPS], 1);
  t.is(lease.answered(next.seq, reply, 403), null);
});

test('an answer that comes after its own lease counts for nothing', (t) => {
  const lease = granted();
  const report = reportAt(lease, 100);
  t.is(lease.answered(report.seq, { state: 'granted', peers: 2, grants: only(1) }, 2600), null);
  t.deepEqual(lease.rates, only(500));
});

test('an answer is waited for twice as long as the last one took, and longer each time', (t) => {
  const lease = granted();
  const report = reportAt(lease, 100);
  lease.answered(report.seq, { state: 'granted', peers: 2, grants: only(500) }, 1100);
  reportAt(lease, 1100);
  t.is(lease.turn(3099, only(1000)).report, null);
  t.not(lease.turn(3100, only(1000)).report, null);
});

test('while the store learns, a host has what it wants up to its safe part, and never less than its grant', (t) => {
  const learn = (want: number, grant: number): Rates => {
    const lease = new Lease({ id: 'me', weight: 100, safePart: 0.1 }, only(1000));
    const { report } = lease.turn(0, only(want));
    const reply = { state: 'learning', peers: 1, grants: only(grant) } as const;
    lease.answered(report!.seq, reply, 1);
    lease.turn(20, only(want));
    return lease.rates;
  };
  t.deepEqual(learn(1000, 4), only(100));
  t.deepEqual(learn(30, 4), only(30));
  t.deepEqual(learn(1000, 400), only(400));
});

test('a smaller limit counts at once; a limit that comes begins at the safe part', (t) => {
  const lease = granted();
  lease.setLimits(only(250));
  t.deepEqual(lease.turn(100, only(1000)).apply?.rates, only(250));
  lease.setLimits(RATES.map((_, d) => (d === IOPS ? 250 : d === 0 ? 4000 : NOT_SHARED)));
  const { apply } = lease.turn(150, only(1000));
  t.is(apply?.rates[0], 400);
  t.is(apply?.rates[IOPS], 250);
});

test('demand that comes is told at once, not at the next tenth of a second', (t) => {
  const lease = granted();
  const idle = lease.turn(112, only(0)).report!;
  lease.answered(idle.seq, { state: 'granted', peers: 2, grants: only(4) }, 113);
  const { number } = { number: 2 };
  lease.confirmed(number, 114);
  const told = lease.turn(114, only(0)).report!;
  lease.answered(told.seq, { state: 'granted', peers: 2, grants: only(4) }, 115);
  t.is(lease.turn(130, only(3)).report, null);
  t.not(lease.turn(150, only(1000)).report, null);
});

test('the end of all demand is told at once, and once', (t) => {
  const lease = granted();
  const busy = lease.turn(112, only(1000)).report!;
  lease.answered(busy.seq, { state: 'granted', peers: 2, grants: only(500) }, 113);
  t.is(lease.turn(130, only(600)).report, null, 'less demand can wait');
  const ended = lease.turn(150, only(0)).report!;
  t.deepEqual(ended.wants, only(0));
  lease.answered(ended.seq, { state: 'granted', peers: 2, grants: only(500) }, 151);
  t.is(lease.turn(200, only(0)).report, null);
  t.not(lease.turn(250, only(0)).report, null);
});

test('whoever leaves says so', (t) => {
  t.true(granted().leave(100).leaves);
});
