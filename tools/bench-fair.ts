import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fairCases, QUICK, QUICK_PAIRS, QUICK_SECONDS } from './bench-fair/cases.js';
import { CHECK_BYTES, CHECK_IMAGES, CHECKS, type CheckResult } from './bench-fair/checks.js';
import { KERNEL_CHECK } from './bench-fair/kernel.js';
import { type FairResult, type Place, runFair } from './bench-fair/run-case.js';
import { messageOf, runTool } from './lib/cleanup.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { describeMachine, machineLine } from './lib/machine.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { checkSluiceBuilt } from './lib/sluice.js';
import { formatIops, markdownTable } from './lib/table.js';

function readOptions() {
  return toolOptions('bench-fair', 'Shares by weight on a real mount, beside published figures.')
    .options({
      quick: {
        type: 'boolean',
        default: false,
        describe: `a part that takes less than five minutes: --seconds ${QUICK_SECONDS} --pairs ${QUICK_PAIRS}`,
      },
      seconds: { type: 'number', default: 20, describe: 'seconds of each run' },
      pairs: {
        type: 'number',
        default: 5,
        describe: 'pairs of seconds with and without a window, after each run',
      },
      jobs: { type: 'number', default: 128, describe: 'threads of each side of the large loads' },
      'size-mib': { type: 'number', default: 256, describe: 'size of each image in MiB' },
      disk: { type: 'string', default: tmpdir(), describe: 'folder on a disk' },
      tmpfs: { type: 'string', default: '/dev/shm', describe: 'folder in memory' },
      only: { type: 'string', describe: 'cases: ids, or a part of one (read, 80:20, live), ...' },
      json: { type: 'string', describe: 'write everything measured to this file' },
      markdown: { type: 'string', describe: 'write the report to this file too' },
      strict: { type: 'boolean', default: false, describe: 'exit with 1 when a line is not met' },
    })
    .parseSync();
}

/** Images, each made when it is first needed, so that a run with --only is short. */
class Images {
  readonly #folders = new Map<string, string>();
  readonly #made = new Set<string>();

  async place(parent: string, count: number, mib: number): Promise<Place> {
    const folder = this.#folders.get(parent) ?? (await temporaryFolder(parent));
    this.#folders.set(parent, folder);
    for (let i = 0; i < count; i++) {
      const path = join(folder, `${i}.img`);
      if (!this.#made.has(path)) await makeImage(path, mib);
      this.#made.add(path);
    }
    return { folder, size: mib << 20 };
  }
}

function shareRow(result: FairResult): string[] {
  const percent = (values: readonly number[]): string => {
    const texts = values.map((value) => value.toFixed(1));
    return texts.length <= 4
      ? texts.join(' / ')
      : `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
  };
  const { ofPlain, solo, firstIops, firstP99Us } = result;
  const total = ofPlain && [ofPlain.median, ofPlain.min, ofPlain.max].map((one) => one.toFixed(0));
  const latency = solo && `p99 ${solo.p99Us.toFixed(0)} to ${firstP99Us.toFixed(0)} us`;
  return [
    result.id,
    percent(result.wanted),
    percent(result.shares),
    result.isolationP1.toFixed(1),
    result.jain.toFixed(4),
    formatIops(result.total),
    total ? `${total[0]} % (${total[1]} to ${total[2]})` : '-',
    solo ? `${((100 * firstIops) / solo.iops).toFixed(0)} %, ${latency}` : '-',
    result.window,
    result.published,
    result.misses.length === 0 ? 'met' : `**missed** (${result.misses.join(', ')})`,
  ];
}

function markdownOf(head: string, shares: FairResult[], checks: CheckResult[], failed: string[]) {
  const lines = ['# Shares and limits of groups', '', head, ''];
  if (shares.length > 0) {
    const measures = ['weights', 'shares', 'p1 of isolation', 'Jain', 'requests/s'];
    const beside = ['of the same without a window', 'A of its solo rate', 'window', 'published'];
    const head = ['case', ...measures, ...beside, 'verdict'];
    lines.push(markdownTable(head, shares.map(shareRow)), '');
    for (const { id, seconds } of shares.filter((one) => one.wanted.length <= 4)) {
      const texts = seconds.map(([first]) => (first ?? 0).toFixed(1));
      lines.push(`- ${id}, A in each second: ${texts.join(' ')}`);
    }
    lines.push('');
  }
  if (checks.length > 0) {
    const rows = checks.map(({ id, asked, got, met }) => [
      id,
      asked,
      got,
      met ? 'met' : '**missed**',
    ]);
    lines.push(markdownTable(['what', 'asked', 'measured', 'verdict'], rows), '');
  }
  return [...lines, ...failed.map((text) => `- ${text}`), ''].join('\n');
}

async function main(): Promise<number> {
  const options = readOptions();
  const { jobs, quick } = options;
  const seconds = quick ? QUICK_SECONDS : options.seconds;
  const pairs = quick ? QUICK_PAIRS : options.pairs;
  inRange('seconds', seconds, 1, 3600);
  inRange('jobs', jobs, 1, 1000);
  inRange('size-mib', options['size-mib'], CHECK_BYTES >> 20, 1 << 20);
  const cases = fairCases(jobs);
  const allChecks = [...CHECKS, KERNEL_CHECK];
  const ids = chosen(
    [...cases, ...allChecks].map(({ id }) => id),
    options.only ?? (quick ? QUICK : undefined),
  );
  await checkSluiceBuilt();
  const images = new Images();
  const shares: FairResult[] = [];
  const checks: CheckResult[] = [];
  const failed: string[] = [];
  const attempt = async (id: string, work: () => Promise<string>): Promise<void> => {
    if (!ids.has(id)) return;
    const said = await work().catch((error: unknown) => {
      failed.push(`${id}: failed: ${messageOf(error).split('\n')[0]}`);
      return 'failed';
    });
    console.error(`${id}: ${said}`);
  };
  for (const one of cases) {
    await attempt(one.id, async () => {
      const parent = one.place === 'disk' ? options.disk : options.tmpfs;
      const count = one.keyed === 'image' ? one.parties.length : 1;
      const place = await images.place(parent, count, options['size-mib']);
      const result = await runFair(one, place, { seconds, pairs });
      shares.push(result);
      const first = result.seconds.map(([share]) => (share ?? 0).toFixed(1)).join(' ');
      return `${first}; p1 of isolation ${result.isolationP1.toFixed(1)}`;
    });
  }
  for (const check of allChecks) {
    await attempt(check.id, async () => {
      const parent = check.place === 'disk' ? options.disk : options.tmpfs;
      const place = await images.place(parent, CHECK_IMAGES, options['size-mib']);
      const results = await check.run(place, { seconds: Math.min(seconds, 10), pairs });
      checks.push(...results);
      return results.map(({ got }) => got).join('; ');
    });
  }
  const machine = await describeMachine(['fio']);
  const how = `Random 4 KiB, direct, ${seconds} s a run; A, B... are threads with one request each.`;
  const markdown = markdownOf(`${machineLine(machine)} ${how}`, shares, checks, failed);
  console.log(markdown);
  const report = { machine, seconds, jobs, shares, checks, failed };
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown) await writeFile(options.markdown, markdown);
  const met = shares.every(({ misses }) => misses.length === 0) && checks.every((one) => one.met);
  return options.strict && !(met && failed.length === 0) ? 1 : 0;
}

await runTool('bench-fair', main);
