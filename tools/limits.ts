import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkNotEnding, messageOf, runTool } from './lib/cleanup.js';
import { runFio } from './lib/fio.js';
import { p99Until, parseLatencyLog, steadyRate } from './lib/fio-log.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { describeMachine, type Machine, machineLine } from './lib/machine.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { checkSluiceBuilt, mountSluice } from './lib/sluice.js';
import {
  formatBytesPerSecond,
  formatIops,
  formatPercent,
  markdownTable,
  shortNumber,
} from './lib/table.js';
import {
  judgeLimit,
  LIMIT_CASES,
  type LimitCase,
  type LimitResult,
  type Measure,
} from './limits-cases.js';

interface Settings {
  transport: string;
  seconds: number;
  sizeMib: number;
  measure: Measure;
}

interface Report {
  machine: Machine;
  settings: Settings;
  results: LimitResult[];
  failures: { id: string; error: string }[];
}

function readOptions() {
  return toolOptions('limits', 'Measures with fio how exactly a mount keeps absolute limits.')
    .options({
      seconds: { type: 'number', default: 10, describe: 'seconds of each run' },
      'size-mib': { type: 'number', default: 256, describe: 'size of the image in MiB' },
      dir: { type: 'string', default: '/dev/shm', describe: 'folder for the image' },
      only: {
        type: 'string',
        describe: 'cases: ids, or a part of one (iops=100, 4K, randread), ...',
      },
      measure: {
        choices: ['total', 'steady'] as const,
        default: 'total' as const,
        describe: 'the rate to judge: of the whole run, or from the first completion to the last',
      },
      json: { type: 'string', describe: 'write everything measured to this file' },
      markdown: { type: 'string', describe: 'write the report to this file too' },
      transport: { type: 'string', default: 'auto', describe: 'of the mounts' },
      strict: { type: 'boolean', default: false, describe: 'exit with 1 when a line is not met' },
    })
    .parseSync();
}

async function runCase(
  one: LimitCase,
  settings: Settings,
  folder: string,
  image: string,
): Promise<LimitResult> {
  const size = settings.sizeMib << 20;
  const group = ['--group', `limited:${one.limit}`, '--assign', 'img=limited'];
  const words = ['--transport', settings.transport, ...group];
  const mount = await mountSluice(join(folder, 'mount'), { img: image }, size, words);
  try {
    const { seconds, measure } = settings;
    const job = { ...one.job, file: mount.file('img'), size, jobs: 1, seconds, rampSeconds: 0 };
    const done = await runFio({ ...job, log: 'completions' }, folder);
    const log = await readFile(join(folder, 'completions_clat.1.log'), 'utf8');
    const completions = parseLatencyLog(log);
    const p99Us = p99Until(completions, seconds * 1000);
    return judgeLimit(one, { ...done, p99Us }, steadyRate(completions), measure);
  } finally {
    await mount.stop();
  }
}

function resultRow(result: LimitResult): string[] {
  const { unit, asked, got, errorPercent, steadyErrorPercent, p99OverIdeal } = result;
  const format = unit === 'iops' ? formatIops : formatBytesPerSecond;
  const missed = [...(result.rateOk ? [] : ['rate']), ...(result.latencyOk ? [] : ['p99'])];
  return [
    result.id,
    format(asked),
    format(got),
    formatPercent(errorPercent),
    steadyErrorPercent === null ? '-' : formatPercent(steadyErrorPercent),
    String(result.requests),
    `${shortNumber(p99OverIdeal)} x`,
    missed.length === 0 ? 'met' : `**missed** (${missed.join(', ')})`,
  ];
}

function limitsMarkdown({ machine, settings, results, failures }: Report): string {
  const rate = settings.measure === 'total' ? 'the error' : 'the steady error';
  const how =
    `Transport ${settings.transport}, fio for ${settings.seconds} s a line. Asked: ${rate} within 0.5 % (1 % under 100 requests), ` +
    'p99 completion latency within 1.25 x of depth over rate.';
  const head = ['limit/request/direction', 'asked', 'got', 'error', 'steady error'];
  const table = markdownTable([...head, 'requests', 'p99', 'verdict'], results.map(resultRow));
  const failed = failures.map(({ id, error }) => `- ${id}: failed: ${error.split('\n')[0]}`);
  const lines = ['# Limits', '', machineLine(machine), how, '', table, ''];
  return [...lines, ...failed, ...(failed.length > 0 ? [''] : [])].join('\n');
}

async function main(): Promise<number> {
  const options = readOptions();
  const { seconds, measure, transport } = options;
  const settings: Settings = { transport, seconds, measure, sizeMib: options['size-mib'] };
  inRange('seconds', settings.seconds, 0.1, 3600);
  inRange('size-mib', settings.sizeMib, 16, 1 << 20);
  const ids = chosen(
    LIMIT_CASES.map(({ id }) => id),
    options.only,
  );
  await checkSluiceBuilt();
  const folder = await temporaryFolder(options.dir);
  const image = join(folder, 'limits.img');
  await makeImage(image, settings.sizeMib);
  const report: Report = {
    machine: await describeMachine(['fio']),
    settings,
    results: [],
    failures: [],
  };
  for (const one of LIMIT_CASES.filter(({ id }) => ids.has(id))) {
    try {
      const result = await runCase(one, settings, folder, image);
      report.results.push(result);
      console.error(`${one.id}: ${formatPercent(result.errorPercent)}`);
    } catch (error) {
      checkNotEnding();
      report.failures.push({ id: one.id, error: messageOf(error) });
      console.error(`${one.id}: failed: ${messageOf(error)}`);
    }
  }
  const markdown = limitsMarkdown(report);
  console.log(markdown);
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown) await writeFile(options.markdown, markdown);
  const met = report.results.every(({ rateOk, latencyOk }) => rateOk && latencyOk);
  return options.strict && !(met && report.failures.length === 0) ? 1 : 0;
}

await runTool('limits', main);
