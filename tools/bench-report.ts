import type { Storage } from './bench-cases.js';
import type { BenchSettings, CaseResult } from './bench-run.js';
import { ratio, type Target } from './bench-targets.js';
import { type Machine, machineLine } from './lib/machine.js';
import { formatBytesPerSecond, formatIops, markdownTable, shortNumber } from './lib/table.js';

/** All results of a run, in the form that --json writes. */
export interface BenchReport {
  machine: Machine;
  settings: BenchSettings;
  /** File system type per storage. */
  fileSystems: Partial<Record<Storage, string>>;
  servers: string[];
  /** Servers that could not run, with the reason. */
  skipped: Record<string, string>;
  results: CaseResult[];
  targets: Target[];
}

function figureCell(result: CaseResult, name: string): string {
  const figure = result.servers[name]?.figure;
  if (!figure) return result.servers[name] ? 'failed' : '-';
  return result.unit === 'iops' ? formatIops(figure.median) : formatBytesPerSecond(figure.median);
}

function ratioCell(result: CaseResult, name: string): string {
  const value = ratio(result, name);
  return value === null ? '-' : `${shortNumber(value)} x`;
}

function userCell(result: CaseResult): string {
  const share = result.servers.sluice?.userPercent;
  return share ? `${share.median.toFixed(1)} %` : '-';
}

function hasCost(result: CaseResult, name: string): boolean {
  return result.servers[name]?.cpuPerRequest != null;
}

/** `7.35 (0.21)`; only Sluice's processes count their requests, so only they have system calls. */
function costCell(result: CaseResult, name: string): string {
  const { cpuPerRequest, callsPerRequest } = result.servers[name] ?? {};
  if (!cpuPerRequest) return '-';
  const calls = callsPerRequest ? ` (${shortNumber(callsPerRequest)})` : '';
  return `${shortNumber(cpuPerRequest.median)}${calls}`;
}

function storageSection(report: BenchReport, storage: Storage): string[] {
  const results = report.results.filter((result) => result.storage === storage);
  if (results.length === 0) return [];
  const { servers } = report;
  const others = servers.filter((name) => name !== 'sluice');
  const figures = results.map((result) => [
    result.title,
    ...servers.map((name) => figureCell(result, name)),
  ]);
  const lines = [
    `## Image on ${storage === 'tmpfs' ? 'tmpfs' : `disk (${report.fileSystems.disk})`}`,
    '',
    markdownTable(['per second', ...servers], figures),
    '',
  ];
  const costs = servers.filter((name) => results.some((one) => hasCost(one, name)));
  if (costs.length > 0) {
    const rows = results.map((result) => [
      result.title,
      ...costs.map((name) => costCell(result, name)),
    ]);
    const head = ['processor time a request, us (system calls)', ...costs];
    lines.push(markdownTable(head, rows), '');
  }
  if (!servers.includes('sluice')) return lines;
  const ratios = results.map((result) => [
    result.title,
    ...others.map((name) => ratioCell(result, name)),
    userCell(result),
  ]);
  const head = ['sluice as a multiple of', ...others, 'user time of its CPU'];
  return [...lines, markdownTable(head, ratios), ''];
}

function targetSection(targets: readonly Target[]): string[] {
  if (targets.length === 0) return [];
  const rows = targets.map(({ title, asked, measured, unit, met }) => [
    title,
    asked,
    measured === null ? '-' : `${shortNumber(measured)} ${unit}`,
    met === null ? 'not measured' : met ? 'met' : '**missed**',
  ]);
  return ['## Targets', '', markdownTable(['figure', 'asked', 'measured', 'verdict'], rows), ''];
}

function failureSection(report: BenchReport): string[] {
  const skipped = Object.entries(report.skipped).map(([name, why]) => `- ${name}: ${why}`);
  const failures = report.results.flatMap((result) =>
    Object.entries(result.servers)
      .filter(([, { errors }]) => errors.length > 0)
      .map(([name, { errors }]) => {
        const times = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`;
        return `- ${result.id}, ${name}: ${errors[0].split('\n')[0]}${times}`;
      }),
  );
  const lines = [...skipped, ...failures];
  return lines.length === 0 ? [] : ['## Not measured', '', ...lines, ''];
}

/** The report in Markdown. */
export function benchMarkdown(report: BenchReport): string {
  const { seconds, rampSeconds, rounds, sizeMib } = report.settings;
  const how =
    `Median of ${rounds} alternating round${rounds === 1 ? '' : 's'} of ${seconds} s each after ` +
    `${rampSeconds} s of warming up; image of ${sizeMib} MiB; fio, libaio, direct=1.`;
  return [
    '# Benchmark',
    '',
    machineLine(report.machine),
    how,
    '',
    ...storageSection(report, 'tmpfs'),
    ...storageSection(report, 'disk'),
    ...targetSection(report.targets),
    ...failureSection(report),
  ].join('\n');
}
