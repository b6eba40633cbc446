import test from 'ava';
import { FigureReader, type Found } from '../../src/control/figures.js';
import { newSettings } from '../../src/control/settings.js';
import { parseStoreUrl } from '../../src/lease/address.js';
import { getSharedFigures, newSharedFigures } from '../../src/lease/figures.js';
import type { Report } from '../../src/lease/lease.js';
import { StoreError } from '../../src/lease/store.js';
import type { GroupOrder, GroupOutcome } from '../../src/plane/group-orders.js';
import { SharedGroups } from '../../src/server/shared-groups.js';
import { RATES } from '../../src/throttle/limits.js';
import { Ledger } from '../../tools/leases/ledger.js';
import { eventually } from '../helpers/proc.js';

const IOPS = RATES.indexOf('iops');
const DONE: GroupOutcome = { error: null, shown: null, gone: [] };
const SHARED = { target: parseStoreUrl('valkey://h/gold'), safePart: 0.1, weight: 100 };

/** A data plane with the group `gold`, limited to 1000 requests per second, from which requests wait. */
function rig() {
  const total = new FigureReader().find('')?.total ?? zeros();
  const settings = newSettings();
  settings.limits.iops = 1000;
  const figures = newSharedFigures();
  const gold: Found = { settings, total: { ...total, queued: 9 }, shared: figures };
  const orders: GroupOrder[] = [];
  let isThere = true;
  const plane = {
    figures: { find: (path: string) => (path === 'gold' && isThere ? gold : null) },
    async order(order: GroupOrder): Promise<GroupOutcome> {
      orders.push(order);
      return DONE;
    },
  };
  const lines: string[] = [];
  const log = {
    info: (text: string) => lines.push(text),
    warn: (text: string) => lines.push(text),
  };
  const granted = (): number => getSharedFigures(figures).granted[IOPS]!;
  const remove = (): void => {
    isThere = false;
  };
  return { plane, orders, figures, log, lines, granted, remove };
}

function zeros(): Found['total'] {
  const keys = ['rbytes', 'wbytes', 'dbytes', 'rios', 'wios', 'dios', 'waitNs', 'waits'];
  const all = [...keys, 'queued', 'inflight'].map((key) => [key, 0]);
  return Object.fromEntries(all) as Found['total'];
}

/** A store that has learnt long ago. */
function store() {
  const ledger = new Ledger();
  const reports: Report[] = [];
  let now = 1e6;
  let trouble: StoreError | null = null;
  const connection = {
    async report(key: string, report: Report) {
      if (key !== SHARED.target.key) throw new Error(key);
      reports.push(report);
      if (trouble !== null) throw trouble;
      // The first report finds new books; time passes quickly after it.
      now += 1000;
      return ledger.take(report, now, 'run');
    },
    close: () => {},
  };
  const fail = (error: StoreError | null): void => {
    trouble = error;
  };
  return { connection, reports, fail };
}

test('a group that wants all gets it, tells its data plane, and gives it back in the end', async (t) => {
  const { plane, orders, figures, log, granted } = rig();
  const { connection, reports } = store();
  const groups = SharedGroups.open(
    [{ path: 'gold', changes: {}, shared: SHARED }],
    () => connection,
  );
  groups.start(plane, log);
  t.true(await eventually(() => granted() === 1000));
  t.deepEqual(orders.at(-1), { kind: 'grant', group: 'gold', granted: { iops: 1000 } });
  t.like(getSharedFigures(figures), { state: 'granted', fault: 'none', peers: 1 });
  t.is(reports[0]!.held[IOPS], 100);
  t.is(reports[0]!.wants[IOPS], 0);
  await groups.stop();
  t.true(reports.at(-1)!.leaves);
  const { length } = reports;
  await groups.stop();
  t.is(reports.length, length);
});

test('a store that refuses is told of once, and that it answers again', async (t) => {
  const { plane, figures, log, lines } = rig();
  const { connection, fail } = store();
  fail(new StoreError('denied', 'the user or password is wrong'));
  const groups = SharedGroups.open(
    [{ path: 'gold', changes: {}, shared: SHARED }],
    () => connection,
  );
  groups.start(plane, log);
  t.true(await eventually(() => getSharedFigures(figures).fault === 'denied'));
  fail(null);
  t.true(await eventually(() => getSharedFigures(figures).fault === 'none'));
  await groups.stop();
  t.deepEqual(lines, [
    'shared group gold: valkey://h/gold: the user or password is wrong; the last grant holds until it expires, and then what is safe',
    'shared group gold: valkey://h/gold answers again',
  ]);
});

test('a fault that comes and goes is told once a minute, each kind for itself', async (t) => {
  const { plane, figures, log, lines } = rig();
  const { connection, fail } = store();
  const groups = SharedGroups.open(
    [{ path: 'gold', changes: {}, shared: SHARED }],
    () => connection,
  );
  groups.start(plane, log);
  for (let turn = 0; turn < 3; turn++) {
    for (const fault of ['denied', 'type', 'none'] as const) {
      fail(fault === 'none' ? null : new StoreError(fault, `it is ${fault}`));
      t.true(await eventually(() => getSharedFigures(figures).fault === fault));
    }
  }
  await groups.stop();
  const what = 'the last grant holds until it expires, and then what is safe';
  t.deepEqual(lines, [
    `shared group gold: valkey://h/gold: it is denied; ${what}`,
    `shared group gold: valkey://h/gold: it is type; ${what}`,
    'shared group gold: valkey://h/gold answers again',
  ]);
});

test('a group that is removed leaves', async (t) => {
  const { plane, log, granted, remove } = rig();
  const { connection, reports } = store();
  const groups = SharedGroups.open(
    [{ path: 'gold', changes: {}, shared: SHARED }],
    () => connection,
  );
  groups.start(plane, log);
  t.true(await eventually(() => granted() === 1000));
  remove();
  t.true(await eventually(() => reports.at(-1)!.leaves));
  const { length } = reports;
  await groups.stop();
  t.is(reports.length, length);
});

test('a mistake in a look ends nothing, and is told once', async (t) => {
  const { plane, log, lines } = rig();
  const { connection } = store();
  let looks = 0;
  plane.figures.find = () => {
    looks++;
    throw new Error('a mistake');
  };
  const shared = [{ path: 'gold', changes: {}, shared: SHARED }];
  const groups = SharedGroups.open(shared, () => connection);
  groups.start(plane, log);
  t.true(await eventually(() => looks > 2));
  await groups.stop();
  t.is(lines.length, 1);
  t.regex(lines[0]!, /^shared groups: Error: a mistake/);
});
