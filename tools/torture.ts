import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { atEnd, checkNotEnding, runTool, UsageError } from './lib/cleanup.js';
import { isMounted, unmount } from './lib/mounts.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { run } from './lib/process.js';
import { checkSluiceBuilt } from './lib/sluice.js';
import { DATABASES } from './torture/databases.js';
import { DIRTY_PAGES } from './torture/dirty-pages.js';
import { ENDS } from './torture/ends.js';
import { HOST_FAULTS } from './torture/host-faults.js';
import { MOMENTS } from './torture/moments.js';
import { PROCESS_LIMITS } from './torture/process-limits.js';
import { type Result, type Row, rowsOf, runRow, TRANSPORTS } from './torture/scenario.js';
import { SEVERAL_MOUNTS } from './torture/several-mounts.js';

/** All scenarios. Those that take longest come last. */
const ROWS: readonly Row[] = rowsOf([
  ...HOST_FAULTS,
  ...PROCESS_LIMITS,
  ...SEVERAL_MOUNTS,
  ...ENDS,
  ...MOMENTS,
  ...DATABASES,
  ...DIRTY_PAGES,
]);

function readOptions() {
  return toolOptions(
    'torture',
    'Real faults on real mounts: full and broken host files, cgroups and limits, signals, kills and\n' +
      'unmounts in every state. Needs root. Each line is a scenario with one transport.',
  )
    .options({
      only: { type: 'string', describe: 'names of scenarios or transports, with commas' },
      transport: { choices: TRANSPORTS, describe: 'rows with this transport only' },
      short: { type: 'boolean', default: false, describe: 'the rows that the tests run' },
      list: { type: 'boolean', default: false, describe: 'print what each scenario promises' },
      jobs: { type: 'number', default: 4, describe: 'scenarios at the same time' },
      dir: { type: 'string', default: tmpdir(), describe: 'folder on a disk for scratch files' },
    })
    .parseSync();
}

function lineOf({ id, state, seconds, reason }: Result): string {
  const why = reason === '' ? '' : `: ${reason}`;
  return `${state.padEnd(7)} ${id} ${seconds.toFixed(1)} s${why}`;
}

function lastLine(results: readonly Result[]): string {
  const count = (state: Result['state']): number =>
    results.filter((result) => result.state === state).length;
  const reasons = new Set(
    results.flatMap(({ state, reason }) => (state === 'skipped' ? [reason] : [])),
  );
  const why = reasons.size === 0 ? '' : ` (${[...reasons].join('; ')})`;
  return `${count('ok')} passed, ${count('failed')} failed, ${count('skipped')} skipped${why}`;
}

async function main(): Promise<number> {
  const { only, transport, short, list, dir, jobs } = readOptions();
  inRange('jobs', jobs, 1, 16);
  const ids = chosenRows(only);
  const rows = ROWS.filter((row) => {
    const isWanted = ids.has(row.id) && (transport === undefined || row.transport === transport);
    return isWanted && (!short || row.isShort);
  });
  if (list) {
    for (const { id, scenario } of rows) console.log(`${id}: ${scenario.holds}`);
    return 0;
  }
  if (process.getuid?.() !== 0) throw new UsageError('torture needs root; run it with sudo');
  await checkSluiceBuilt();
  await provideFusectl();
  const results: Result[] = [];
  // With several at a time the longest begin first.
  const left = jobs > 1 ? rows : rows.reverse();
  const work = async (): Promise<void> => {
    for (let row = left.pop(); row !== undefined; row = left.pop()) {
      const result = await runRow(row, dir, short);
      checkNotEnding();
      results.push(result);
      console.log(lineOf(result));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(lastLine(results));
  return results.some(({ state }) => state === 'failed') ? 1 : 0;
}

const FUSECTL = '/sys/fs/fuse/connections';

/** Mounts the FUSE control file system at its place, up to the end of the tool. */
async function provideFusectl(): Promise<void> {
  if (!existsSync(FUSECTL) || (await isMounted(FUSECTL))) return;
  atEnd(() => unmount(FUSECTL));
  await run('mount', ['-t', 'fusectl', 'fusectl', FUSECTL]);
}

function chosenRows(only: string | undefined): Set<string> {
  const ids = ROWS.map(({ id }) => id);
  return chosen(ids, only);
}

await runTool('torture', main);
