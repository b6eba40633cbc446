import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fairCases } from './bench-fair/cases.js';
import { CHECK_BYTES, CHECK_IMAGES, CHECKS, type CheckResult } from './bench-fair/checks.js';
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
      seconds: { type: 'number', default: 30, describe: 'seconds of each run' },
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
  const percent = (values: readonly number[]): string =>
    values.map((value) => value.toFixed(1)).join(' / ');
  const ofSolo = result.solo === null ? '-' : (100 * result.firstIops) / result.solo;
  return [
    result.id,
    percent(result.wanted),
    percent(result.shares),
    result.published,
    `${formatIops(result.total)} (${((100 * result.total) / result.plainTotal).toFixed(0)} %)`,
    typeof ofSolo === 'string' ? ofSolo : `${ofSolo.toFixed(0)} %`,
    result.window,
    result.misses.length === 0 ? 'met' : `**missed** (${result.misses.join(', ')})`,
  ];
}

function markdownOf(head: string, shares: FairResult[], checks: CheckResult[], failed: string[]) {
  const lines = ['# Shares and limits of groups', '', head, ''];
  if (shares.length > 0) {
    const titles = ['case', 'weights', 'shares', 'published', 'total (of the same without groups)'];
    lines.push(
      markdownTable([...titles, 'A of its solo rate', 'window', 'verdict'], shares.map(shareRow)),
      '',
    );
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
  const { seconds, jobs } = options;
  inRange('seconds', seconds, 1, 3600);
  inRange('jobs', jobs, 1, 1000);
  inRange('size-mib', options['size-mib'], CHECK_BYTES >> 20, 1 << 20);
  const cases = fairCases(jobs);
  const ids = chosen(
    [...cases, ...CHECKS].map(({ id }) => id),
    options.only,
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
      const result = await runFair(one, place, { seconds });
      shares.push(result);
      return result.shares.map((share) => share.toFixed(1)).join(' / ');
    });
  }
  for (const check of CHECKS) {
    await attempt(check.id, async () => {
      const place = await images.place(options.tmpfs, CHECK_IMAGES, options['size-mib']);
      const results = await check.run(place, { seconds: Math.min(seconds, 10) });
      checks.push(...results);
      return results.map(({ got }) => got).join('; ');
    });
  }
  const machine = await describeMachine(['fio']);
  const how = `Random 4 KiB, direct, ${seconds} s a run; A and B are threads with one request each.`;
  const markdown = markdownOf(`${machineLine(machine)} ${how}`, shares, checks, failed);
  console.log(markdown);
  const report = { machine, seconds, jobs, shares, checks, failed };
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown) await writeFile(options.markdown, markdown);
  const met = shares.every(({ misses }) => misses.length === 0) && checks.every((one) => one.met);
  return options.strict && !(met && failed.length === 0) ? 1 : 0;
}

await runTool('bench-fair', main);
