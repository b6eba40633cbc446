import test from 'ava';
import type { CaseResult } from '../../tools/bench-run.js';
import { judge } from '../../tools/bench-targets.js';

const SERVERS = [
  { name: 'host file', kind: 'host' },
  { name: 'sluice', kind: 'sluice' },
  { name: 'qemu native', kind: 'qemu' },
  { name: 'other', kind: 'peer' },
] as const;

function once(value: number | null) {
  return value === null ? null : { median: value, min: value, max: value, rounds: [value] };
}

function result(id: string, sluice: number | null, qemu: number, user: number): CaseResult {
  const storage = 'tmpfs';
  const servers = {
    sluice: {
      figure: once(sluice),
      userPercent: once(user),
      cpuPerRequest: null,
      callsPerRequest: 0.2,
      errors: [],
    },
    'qemu native': {
      figure: once(qemu),
      userPercent: null,
      cpuPerRequest: null,
      callsPerRequest: null,
      errors: [],
    },
    other: {
      figure: once(1),
      userPercent: null,
      cpuPerRequest: null,
      callsPerRequest: null,
      errors: [],
    },
  };
  return { id, title: id, storage, unit: 'iops', servers };
}

test('a ratio is met from its least value on, user time below its limit', (t) => {
  const judged = judge([result('tmpfs/randread-4x32', 400, 100, 10)], SERVERS);
  t.deepEqual(
    judged.map(({ title, measured, met }) => [title, measured, met]),
    [
      ['tmpfs/randread-4x32 against qemu native', 4, true],
      ['tmpfs/randread-4x32 against host file', null, null],
      ['tmpfs/randread-4x32, user time of the daemon', 10, false],
      ['tmpfs/randread-4x32, system calls a request', 0.2, true],
    ],
  );
});

test('a server that failed leaves its target unjudged', (t) => {
  const [first] = judge([result('tmpfs/randread-qd1', null, 100, 1)], SERVERS);
  t.is(first.met, null);
  t.is(first.measured, null);
});

test('an image that is passed through is nine tenths as fast as the host file, if that was measured', (t) => {
  const one = result('disk/read-1m-qd8', 10, 1, 1);
  const figures = { 'host file': once(100), 'sluice passthrough': once(89) };
  for (const [name, figure] of Object.entries(figures)) {
    one.servers[name] = {
      figure,
      userPercent: null,
      cpuPerRequest: null,
      callsPerRequest: null,
      errors: [],
    };
  }
  t.deepEqual(judge([one], SERVERS), []);
  const servers = [...SERVERS, { name: 'sluice passthrough', kind: 'sluice-passed' } as const];
  const title = 'disk/read-1m-qd8, sluice passthrough against host file';
  const verdict = { title, asked: 'at least 0.9 x', measured: 0.89, unit: 'x', met: false };
  t.deepEqual(judge([one], servers), [verdict] as never);
});
