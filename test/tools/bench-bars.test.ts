import test from 'ava';
import { benchBars } from '../../tools/bench-bars.js';
import type { BenchReport } from '../../tools/bench-report.js';
import type { CaseResult } from '../../tools/bench-run.js';

function result(storage: 'tmpfs' | 'disk', figures: Record<string, number | null>): CaseResult {
  const servers = Object.entries(figures).map(([name, value]) => {
    const figure =
      value === null ? null : { median: value, min: value, max: value, rounds: [value] };
    return [
      name,
      { figure, userPercent: null, cpuPerRequest: null, callsPerRequest: null, errors: [] },
    ];
  });
  const title = `reads on ${storage}`;
  return { id: title, title, storage, unit: 'iops', servers: Object.fromEntries(servers) };
}

function report(results: CaseResult[]): BenchReport {
  const machine = {
    date: '2026-01-02',
    kernel: '6.18',
    cpu: 'X',
    cpus: 2,
    memoryMib: 1,
    versions: { node: '20', fio: '3' },
  };
  const settings = { seconds: 1, rampSeconds: 0, rounds: 1, sizeMib: 16 };
  const servers = ['host file', 'sluice', 'other'];
  return { machine, settings, fileSystems: {}, servers, skipped: {}, results, targets: [] };
}

const widths = (svg: string): number[] =>
  [...svg.matchAll(/<rect x="[\d.]+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));

test('a bar is as long as its part of the host file, and one far above it is cut', (t) => {
  const svg = benchBars(report([result('tmpfs', { 'host file': 1000, sluice: 500, other: 9000 })]));
  const [host, ours, other] = widths(svg);
  t.true(Math.abs(ours! / host! - 0.5) < 0.01);
  t.true(Math.abs(other! / host! - 1.15) < 0.01);
  t.regex(svg, />9\.00 K</);
});

test('a server that failed has no bar, and a case without the host file no panel', (t) => {
  const failed = result('tmpfs', { 'host file': 10, sluice: 5, other: null });
  t.is(widths(benchBars(report([failed]))).length, 2);
  const svg = benchBars(report([failed, result('disk', { sluice: 5 })]));
  t.is(widths(svg).length, 2);
  t.notRegex(svg, /reads on disk/);
});

test('the machine and the programs stand on a line each, so that a picture of one storage has room for them', (t) => {
  const svg = benchBars(report([result('disk', { 'host file': 10, sluice: 5 })]));
  t.true(svg.includes('>2026-01-02, Linux 6.18, 2 x X, 1 MiB</text>'));
  t.true(svg.includes('>node 20, fio 3.</text>'));
});
