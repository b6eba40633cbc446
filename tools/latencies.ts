import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatTime } from '../src/util/units.js';
import {
  compare,
  LATENCY_CASES,
  type LatencyCase,
  PERCENTILES,
  type Stages,
} from './latencies-cases.js';
import { runTool } from './lib/cleanup.js';
import { runFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { describeMachine, machineLine } from './lib/machine.js';
import { chosen, inRange, toolOptions } from './lib/options.js';
import { run } from './lib/process.js';
import { SLUICE } from './lib/program.js';
import { checkSluiceBuilt, mountSluice } from './lib/sluice.js';
import { markdownTable } from './lib/table.js';

/** Compares the times of requests that a mount shows with those that fio sees. */

const IMAGE_MIB = 256;

async function stagesOf(mountpoint: string, rw: string): Promise<Stages & { requests: number }> {
  const text = await run(process.execPath, [SLUICE, 'stat', mountpoint, '/', '--json']);
  const { groups } = JSON.parse(text);
  return groups[0].times[rw.endsWith('read') ? 'read' : 'write'].mount;
}

async function row(
  one: LatencyCase,
  folder: string,
  image: string,
  seconds: number,
): Promise<string[]> {
  const size = IMAGE_MIB * 1024 * 1024;
  const mount = await mountSluice(join(folder, 'mnt'), { img: image }, size, one.words);
  try {
    const job = { ...one.job, file: mount.file('img'), size, seconds, rampSeconds: 0 };
    const fio = await runFio(job, folder);
    const stages = await stagesOf(mount.mountpoint, job.rw);
    if (stages.requests !== fio.ios) {
      throw new Error(`fio made ${fio.ios} requests, and the mount counted ${stages.requests}`);
    }
    const compared = compare(fio, stages);
    const cells = PERCENTILES.map((key) => {
      const { fioUs, part } = compared[key];
      return `${formatTime(fioUs)} (${(100 * part).toFixed(0)} %)`;
    });
    return [one.id.replace('/', ', '), ...cells];
  } finally {
    await mount.stop();
  }
}

async function main(): Promise<number> {
  const { seconds, only, dir } = toolOptions(
    'latencies',
    'Compares the times of requests that a mount shows with those that fio sees.',
  )
    .options({
      seconds: { type: 'number', default: 10, describe: 'seconds of each run' },
      only: { type: 'string', describe: 'cases: ids, or a part of one (disk, QD 1), ...' },
      dir: { type: 'string', default: tmpdir(), describe: 'folder for the image on the disk' },
    })
    .parseSync();
  inRange('seconds', seconds, 1, 3600);
  const ids = chosen(
    LATENCY_CASES.map(({ id }) => id),
    only,
  );
  await checkSluiceBuilt();
  const rows: string[][] = [];
  for (const storage of ['disk', 'memory'] as const) {
    const cases = LATENCY_CASES.filter((one) => one.storage === storage && ids.has(one.id));
    if (cases.length === 0) continue;
    const folder = await temporaryFolder(storage === 'disk' ? dir : '/dev/shm');
    const image = join(folder, 'latencies.img');
    await makeImage(image, IMAGE_MIB);
    for (const one of cases) {
      rows.push(await row(one, folder, image, seconds));
      console.error(rows.at(-1)!.join('  '));
    }
  }
  console.log(`${machineLine(await describeMachine(['fio']))}\n`);
  console.log(markdownTable(['', 'p50 (seen)', 'p99 (seen)', 'p99.9 (seen)'], rows));
  return 0;
}

await runTool('latencies', main);
