import test from 'ava';
import { compare, LATENCY_CASES } from '../../tools/latencies-cases.js';

const stage = (p50: number, p99: number, p999: number) => ({
  mean: 0,
  p50,
  p90: 0,
  p99,
  p999,
  max: 0,
});

test('both stages of the mount are compared with what fio saw', (t) => {
  const fio = { clatP50Us: 200, clatP99Us: 1000, clatP999Us: 4000 };
  const stages = { waitUsec: stage(50, 900, 3000), serviceUsec: stage(100, 50, 2000) };
  t.deepEqual(compare(fio, stages), {
    p50: { fioUs: 200, part: 0.75 },
    p99: { fioUs: 1000, part: 0.95 },
    p999: { fioUs: 4000, part: 1.25 },
  });
});

test('each case has a name of its own', (t) => {
  t.is(new Set(LATENCY_CASES.map(({ id }) => id)).size, LATENCY_CASES.length);
});
