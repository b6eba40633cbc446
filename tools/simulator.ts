import { writeFile } from 'node:fs/promises';
import { runTool } from './lib/cleanup.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { markdownTable } from './lib/table.js';
import { DEVICES } from './simulator/devices.js';
import { picture } from './simulator/picture.js';
import * as report from './simulator/report.js';
import * as shares from './simulator/share-tables.js';

const TABLES = [
  'ioband',
  'window',
  'few',
  'single',
  'trees',
  'minimums',
  'many',
  'stretches',
  'indexes',
  'starts',
  'neighbours',
] as const;

function readOptions() {
  return toolOptions(
    'simulator',
    'Runs the throttle against simulated devices, in simulated time, and prints what weights,\n' +
      'windows, latency targets and minimums come to, with the published figures beside it.\n' +
      'Threads keep one request of 4 KiB outstanding each. The same seed gives the same figures.\n\n' +
      "ioband: dm-ioband's tables.  window, few: share and throughput by window, 128 + 128 and\n" +
      '4 + 4 threads.  single: one thread against 128, with latency targets.  trees: three groups,\n' +
      'two levels.  minimums: kept, and scaled.  many: a sweep of thousands of groups.\n' +
      'stretches: shares in every tenth of a second.  indexes: of Jain.  starts: a group starts and stops.\n' +
      'neighbours: latency impact and work conservation beside a group that fills the device.',
  ).options({
    device: { choices: Object.keys(DEVICES), default: 'virtio', describe: 'simulated device' },
    seconds: {
      type: 'number',
      default: 8,
      describe: 'simulated time of each run, a quarter warm-up',
    },
    groups: { type: 'number', default: 10_000, describe: 'groups in the sweep' },
    seed: { type: 'number', default: 1, describe: 'of the random numbers' },
    svg: {
      type: 'string',
      describe: 'write a picture of shares over time to this file, and no tables',
    },
    only: { type: 'string', describe: `tables: ${TABLES.join(', ')}` },
  });
}

async function main(): Promise<number> {
  const options = await readOptions().parseAsync();
  inRange('seconds', options.seconds, 0.1, 3600);
  inRange('groups', options.groups, 1, 100_000);
  const choice = { device: options.device, seconds: options.seconds, seed: options.seed };
  if (options.svg !== undefined) {
    await writeFile(options.svg, picture(choice));
    return 0;
  }
  const make: Record<(typeof TABLES)[number], () => report.Table> = {
    ioband: () => report.ioband(choice),
    window: () => report.window(choice, 128),
    few: () => report.window(choice, 4),
    single: () => report.single(choice),
    trees: () => report.trees(choice),
    minimums: () => report.minimums(choice),
    many: () => report.many(choice, options.groups),
    stretches: () => shares.stretches(choice),
    indexes: () => shares.indexes(choice),
    starts: () => shares.starts(choice),
    neighbours: () => shares.neighbours(choice),
  };
  const wanted = chosen(TABLES, options.only);
  console.log(`Simulated: ${DEVICES[options.device].name}, ${options.seconds} s\n`);
  for (const name of TABLES.filter((one) => wanted.has(one))) {
    const { title, head, rows } = make[name]();
    console.log(`${title}\n\n${markdownTable(head, rows)}\n`);
  }
  return 0;
}

await runTool('simulator', main);
