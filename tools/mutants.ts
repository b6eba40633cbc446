import { availableParallelism, tmpdir } from 'node:os';
import { runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { Bench, type Hunt } from './mutants/bench.js';
import { CRASH_FAULTS } from './mutants/crash-faults.js';
import { FIRST_FAULTS } from './mutants/first-faults.js';
import { HAND_OVER_FAULTS } from './mutants/hand-over-faults.js';
import { LIVE_IMAGE_FAULTS } from './mutants/live-image-faults.js';
import type { Mutation } from './mutants/mutation.js';
import { OTHER_FAULTS } from './mutants/other-faults.js';
import { SERVER_FAULTS } from './mutants/server-faults.js';

/**
 * Shows that the simulator can fail: puts faults into a copy of the sources, one at a time, and runs the
 * simulator until it finds each.
 */

function readOptions() {
  return toolOptions('mutants', 'Puts faults into the sources, and lets the simulator find them.')
    .options({
      only: { type: 'string', describe: 'names of faults, separated by commas [all]' },
      seconds: {
        type: 'number',
        default: 60,
        describe: 'processor time that each job may take for a fault',
      },
      jobs: { type: 'number', default: availableParallelism(), describe: 'processes at once' },
      seed: { type: 'number', default: 1, describe: 'the first seed' },
    })
    .check(({ seconds, jobs }) => {
      inRange('seconds', seconds, 1, 1e6);
      inRange('jobs', jobs, 1, 256);
      return true;
    })
    .parseSync();
}

async function main(): Promise<number> {
  const { only, seconds, jobs, seed } = readOptions();
  const all = [
    ...FIRST_FAULTS,
    ...OTHER_FAULTS,
    ...LIVE_IMAGE_FAULTS,
    ...SERVER_FAULTS,
    ...HAND_OVER_FAULTS,
    ...CRASH_FAULTS,
  ];
  const wanted = chosen(
    all.map(({ name }) => name),
    only,
  );
  const mutations = all.filter(({ name }) => wanted.has(name));
  const bench = new Bench(await temporaryFolder(tmpdir()), await temporaryFolder('/dev/shm'));
  await bench.prepare();
  let found = 0;
  let surprises = 0;
  for (const mutation of mutations) {
    const hunt = await bench.hunt(mutation, { seed, jobs, seconds: seconds * jobs });
    if (typeof hunt === 'string') {
      surprises++;
      console.log(hunt);
      continue;
    }
    const isFound = hunt.found !== null;
    if (isFound) found++;
    if (isFound !== (mutation.escapes === undefined)) surprises++;
    for (const line of report(mutation, hunt)) console.log(line);
  }
  console.log(`${found} of ${mutations.length} found`);
  if (surprises > 0) console.log(`${surprises} not as the table says`);
  return surprises > 0 ? 1 : 0;
}

function report({ name, fault, escapes }: Mutation, { found, seconds }: Hunt): string[] {
  const result = found === null ? 'not found' : 'found';
  const lines = [`${name}: ${result} in ${seconds.toFixed(1)} s of processor time`];
  lines.push(`    ${fault}`);
  if (found !== null) lines.push(`    ${found}`);
  else if (escapes !== undefined) lines.push(`    not found, because ${escapes}`);
  return lines;
}

await runTool('mutants', main);
