import { Redis } from 'ioredis';
import type { Report } from '../../src/lease/lease.js';
import { NOT_SHARED, type Rates, stepDown } from '../../src/lease/rates.js';
import { EXPIRY_MS, SCRIPT, SCRIPT_VERSION } from '../../src/lease/script.js';
import { RATES } from '../../src/throttle/limits.js';
import { Ledger } from '../../tools/leases/ledger.js';
import { randomNumbers } from '../../tools/simulator/random.js';
import { requires } from '../helpers/requires.js';
import { StoreServer } from '../helpers/store-server.js';

const storeTest = requires('store');

const HOSTS = 45;
const STEPS = 2000;

function words(report: Report, version = SCRIPT_VERSION): (string | number)[] {
  const { id, seq, weight, leaves, limits, wants, held } = report;
  return [version, id, seq, weight, leaves ? 1 : 0, ...limits, ...wants, ...held];
}

storeTest('the script and its model give the same grants, step by step', async (t) => {
  const server = new StoreServer(t);
  await server.start();
  const client = new Redis(server.socket);
  t.teardown(() => client.disconnect());
  const random = randomNumbers(19);
  const between = (least: number, most: number): number => least + (most - least) * random();
  const ledger = new Ledger();
  const [iops, wbps] = [RATES.indexOf('iops'), RATES.indexOf('wbps')];
  const some = (rates: readonly number[]): Rates =>
    RATES.map((_, d) => (d === iops ? rates[0]! : d === wbps ? rates[1]! : NOT_SHARED));
  const held = new Map<string, Rates>();
  let now = 1e12;
  let run = 1;
  const seen = new Set<string>();
  for (let seq = 1; seq <= STEPS; seq++) {
    now += Math.floor(random() < 0.001 ? between(-5000, 5000) : between(0, 20));
    if (random() < 0.0005) run++;
    const id = `h${Math.floor(HOSTS * random() ** 2)}`;
    const hasBytes = id.length === 3;
    const limits = some([random() < 0.99 ? 1000 : 900, hasBytes ? 7e6 : NOT_SHARED]);
    const own = held.get(id) ?? some([10, hasBytes ? 7e4 : NOT_SHARED]);
    const want = (limit: number): number =>
      limit < 0
        ? limit
        : Math.min(limit, [0, between(0, limit / 20), limit][Math.floor(3 * random())]!);
    const report: Report = {
      id,
      seq: random() < 0.02 ? seq - HOSTS : seq,
      weight: id === 'h3' ? 50 : 100,
      leaves: random() < 0.005,
      limits,
      wants: some([want(1000), hasBytes ? want(7e6) : NOT_SHARED]),
      // Once in a while a host comes back with what was safe.
      held: random() < 0.01 ? some([stepDown(77.7), hasBytes ? 1e6 : NOT_SHARED]) : own,
    };
    const reply = ledger.take(report, now, `${run}`);
    const answer = await client.eval(SCRIPT, 1, 'sluice:g', ...words(report), now, `${run}`);
    const expected = ['stale', 'left'].includes(reply.state)
      ? reply.state
      : [reply.state, reply.peers, ...reply.grants].join(' ');
    t.is(answer, expected, `step ${seq}`);
    if (answer !== expected) return;
    seen.add(reply.state);
    if (reply.state === 'left') held.delete(id);
    if (reply.grants.length > 0 && random() < 0.9) held.set(id, reply.grants);
  }
  t.deepEqual([...seen].sort(), ['granted', 'learning', 'left', 'stale']);
});

/** A host that wants all of 1000 requests per second. */
function hungry(id: string, seq: number, held: number): Report {
  const all = (rate: number): Rates => RATES.map((key) => (key === 'iops' ? rate : NOT_SHARED));
  return {
    id,
    seq,
    weight: 100,
    leaves: false,
    limits: all(1000),
    wants: all(1000),
    held: all(held),
  };
}

storeTest('what a host needs no more goes on with the very reports that tell it', async (t) => {
  const server = new StoreServer(t);
  await server.start();
  const client = new Redis(server.socket);
  t.teardown(() => client.disconnect());
  const ask = async (report: Report, now: number): Promise<number> => {
    const answer = await client.eval(SCRIPT, 1, 'sluice:g', ...words(report), now, 'run');
    return Number(String(answer).split(' ')[2 + RATES.indexOf('iops')]);
  };
  for (const [seq, now] of [1000, 2000, 3000, 4000, 5000].entries()) {
    await ask(hungry('a', seq, 500), now);
    t.is(await ask(hungry('b', seq, 500), now), 500);
  }
  // In the same millisecond as the reports of both.
  const { wants } = hungry('a', 0, 0);
  const idle = { ...hungry('a', 5, 500), wants: wants.map((want) => Math.min(want, 0)) };
  const kept = await ask(idle, 5000);
  t.is(kept, 1000 / 2 / 256);
  t.is(await ask(hungry('b', 5, 500), 5000), 500, 'it is not given back yet');
  await ask({ ...idle, seq: 6, held: hungry('a', 0, kept).held }, 5000);
  t.is(await ask(hungry('b', 6, 500), 5000), 1000 - kept);
});

storeTest('after the books are lost nobody is raised for 4 s', async (t) => {
  const server = new StoreServer(t);
  await server.start();
  const client = new Redis(server.socket);
  t.teardown(() => client.disconnect());
  const ask = async (report: Report, now: number): Promise<string> => {
    const answer = await client.eval(SCRIPT, 1, 'sluice:g', ...words(report), now, 'run');
    const [state, peers, ...grants] = String(answer).split(' ');
    return [state, peers, grants[RATES.indexOf('iops')]].join(' ');
  };
  t.is(await ask(hungry('a', 1, 10), 1000), 'learning 1 10');
  t.is(await ask(hungry('b', 1, 600), 2000), 'learning 2 600');
  t.is(await ask(hungry('a', 2, 10), 3000), 'learning 2 10');
  t.is(await ask(hungry('b', 2, 600), 4000), 'learning 2 600');
  // From 1000 + EXPIRY_MS on. What b has not given back yet, a does not get.
  t.is(await ask(hungry('a', 3, 10), 1000 + EXPIRY_MS), 'granted 2 400');
  t.is(await ask(hungry('b', 3, 600), 5100), 'granted 2 500');
  t.is(await ask(hungry('b', 4, 500), 5101), 'granted 2 500');
  t.is(await ask(hungry('a', 4, 400), 5200), 'granted 2 500');
});

storeTest('many hosts that come or go at once do not make the division each', async (t) => {
  const server = new StoreServer(t);
  await server.start();
  const client = new Redis(server.socket);
  t.teardown(() => client.disconnect());
  const divisions = async (): Promise<number> => {
    const text = await client.info('commandstats');
    return Number(/^cmdstat_hgetall:calls=([0-9]+)/m.exec(text)![1]);
  };
  const ask = (id: number, seq: number, leaves: boolean, now: number): Promise<unknown> => {
    const report = { ...hungry(`h${id}`, seq, 1), leaves };
    return client.eval(SCRIPT, 1, 'sluice:g', ...words(report), now, 'run');
  };
  // Five hosts in each millisecond. Among 16 each report has the limit divided anew.
  const all = Array.from({ length: 100 }, (_, id) => id);
  const came = await Promise.all(all.map((id) => ask(id, 1, false, 1000 + Math.floor(id / 5))));
  t.regex(String(came.at(-1)), /^learning 100 /);
  const coming = await divisions();
  t.true(coming >= 16 && coming <= 16 + 10, `${coming}`);
  const later = await Promise.all(all.map((id) => ask(id, 2, false, 1100)));
  t.is(await divisions(), coming + 1);
  t.regex(String(later[0]), /^learning 100 /);
  await Promise.all(all.map((id) => ask(id, 3, true, 1101 + Math.floor(id / 5))));
  t.true((await divisions()) - coming - 1 <= 16 + 10);
  t.is(await client.hlen('sluice:g'), 1);
});

storeTest('a host that is silent gives its share back after 4 s', async (t) => {
  const server = new StoreServer(t);
  await server.start();
  const client = new Redis(server.socket);
  t.teardown(() => client.disconnect());
  const grant = async (report: Report, now: number): Promise<number> => {
    const answer = await client.eval(SCRIPT, 1, 'sluice:g', ...words(report), now, 'run');
    return Number(String(answer).split(' ')[2 + RATES.indexOf('iops')]);
  };
  let held = 10;
  let seq = 0;
  const keepAsking = async (from: number, to: number): Promise<void> => {
    for (let now = from; now <= to; now += 100) held = await grant(hungry('a', ++seq, held), now);
  };
  await keepAsking(0, 4000);
  t.is(held, 1000);
  t.is(await grant(hungry('b', 1, 10), 4050), 10);
  await keepAsking(4100, 4200);
  t.is(held, 500);
  t.is(await grant(hungry('b', 2, 10), 4250), 500);
  await keepAsking(4300, 8200);
  t.is(held, 500);
  await keepAsking(8300, 8300);
  t.is(held, 1000);
});

storeTest(
  'what another version has written is left alone, and a key of another type too',
  async (t) => {
    const server = new StoreServer(t);
    await server.start();
    const client = new Redis(server.socket);
    t.teardown(() => client.disconnect());
    const report = hungry('a', 1, 10);
    await client.eval(SCRIPT, 1, 'sluice:g', ...words(report));
    const before = await client.hgetallBuffer('sluice:g');
    const other = words(report, SCRIPT_VERSION + 1);
    await t.throwsAsync(client.eval(SCRIPT, 1, 'sluice:g', ...other), {
      message: /^SLUICEVERSION 1/,
    });
    t.deepEqual(await client.hgetallBuffer('sluice:g'), before);
    await client.set('text', 'mine');
    await t.throwsAsync(client.eval(SCRIPT, 1, 'text', ...words(report)), { message: /WRONGTYPE/ });
    t.is(await client.get('text'), 'mine');
  },
);
