import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from './exerciser/random.js';
import { checkNotEnding, messageOf, runTool, UsageError } from './lib/cleanup.js';
import { inRange, toolOptions } from './lib/options.js';
import { checkSluiceBuilt } from './lib/sluice.js';
import { toSvg } from './soak/chart.js';
import { Counts, Lives, type Settings } from './soak/lives.js';
import { LongMount } from './soak/long-mount.js';
import { growthOf, toCsv } from './soak/samples.js';
import { TRANSPORTS } from './torture/scenario.js';

const IN_MEMORY = '/dev/shm';

function readOptions() {
  return toolOptions(
    'soak',
    'Random images, groups, limits, remounts and kills, for a long time. A model owns every byte. One\n' +
      'mount of each transport lasts from the beginning to the end; its memory, descriptors and threads\n' +
      'must stay flat. Needs root. A fault ends it with 1.',
  )
    .options({
      minutes: { type: 'number', default: 60, describe: 'how long' },
      seed: { type: 'number', describe: 'of all choices; a random one by default' },
      transport: { choices: TRANSPORTS, describe: 'this transport only' },
      dir: { type: 'string', default: tmpdir(), describe: 'folder on a disk for images' },
      csv: { type: 'string', describe: 'write the curves to this file' },
      svg: { type: 'string', describe: 'draw the curves to this file' },
      keep: { type: 'boolean', default: false, describe: 'leave the images of a fault' },
    })
    .parseSync();
}

const LINE_EVERY_MS = 60_000;
const LOOK_EVERY_MS = 200;

function lineOf(minutes: number, counts: Counts): string {
  const { mounts, kills, verified, calls, bytesWritten, changes } = counts;
  const gib = (bytesWritten / 2 ** 30).toFixed(2);
  return `${minutes.toFixed(1)} min: ${mounts} mounts, ${kills} kills, ${verified} images verified, ${calls} calls, ${gib} GiB written, ${changes} changes of groups`;
}

async function main(): Promise<number> {
  const { minutes, seed: asked, transport, dir, csv, svg, keep } = readOptions();
  inRange('minutes', minutes, 0.1, 100_000);
  const seed = asked ?? randomInt(2 ** 31);
  inRange('seed', seed, 0, 2 ** 32 - 1);
  if (process.getuid?.() !== 0) throw new UsageError('soak needs root; run it with sudo');
  await checkSluiceBuilt();
  console.log(`soak: ${minutes} minutes, --seed ${seed}`);
  const parents = existsSync(IN_MEMORY) ? [dir, dir, IN_MEMORY] : [dir];
  const transports = transport === undefined ? TRANSPORTS : [transport];
  const settings: Settings = { parents, transports, keep };
  const counts = new Counts();
  const begin = Date.now();
  const faults: string[] = [];
  const isOver = (): boolean => faults.length > 0 || Date.now() - begin > minutes * 60_000;
  const longs = transports.map(
    (one, index) => new LongMount(settings, one, new Random(seed, index), counts),
  );
  const lives = new Lives(settings, new Random(seed, longs.length), counts);
  const parts = [...longs, lives].map((part) =>
    part.run(isOver).catch((error) => void faults.push(messageOf(error))),
  );
  let isDone = false;
  const all = Promise.all(parts).then(() => {
    isDone = true;
  });
  for (let next = begin + LINE_EVERY_MS; !isDone; ) {
    await delay(LOOK_EVERY_MS);
    checkNotEnding();
    if (Date.now() < next) continue;
    next += LINE_EVERY_MS;
    console.log(lineOf((Date.now() - begin) / 60_000, counts));
  }
  await all;
  const curves = new Map(longs.map((long, index) => [transports[index], long.samples] as const));
  for (const [name, samples] of curves) faults.push(...growthOf(name, samples));
  if (csv !== undefined) await writeFile(csv, toCsv(curves));
  const title = `sluice, ${minutes} minutes of soak: each daemon at rest`;
  if (svg !== undefined) await writeFile(svg, toSvg(curves, title));
  console.log(lineOf((Date.now() - begin) / 60_000, counts));
  for (const [name, samples] of curves) {
    const [first, last] = [samples[1] ?? samples[0], samples.at(-1)];
    if (first === undefined || last === undefined) continue;
    console.log(
      `${name}: memory ${first.rssMib.toFixed(0)} to ${last.rssMib.toFixed(0)} MiB, ` +
        `descriptors ${first.descriptors} to ${last.descriptors}, threads ${first.threads} to ${last.threads}`,
    );
  }
  for (const fault of faults) console.log(`failed: ${fault}`);
  console.log(faults.length === 0 ? 'no fault' : `${faults.length} faults; --seed ${seed}`);
  return faults.length === 0 ? 0 : 1;
}

await runTool('soak', main);
