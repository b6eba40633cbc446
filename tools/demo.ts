import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from './lib/cleanup.js';
import { type FioResult, startFio } from './lib/fio.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { isInstalled } from './lib/process.js';
import { checkSluiceBuilt, mountSluice } from './lib/sluice.js';
import { formatPercent, markdownTable } from './lib/table.js';

/**
 * `make demo`: mounts two images, each in a group with a limit, runs fio on both at once, and prints
 * a table of asked and measured rates. It cleans up however it ends.
 */

/** Quick to write, and large enough that fio does not read an image twice under its limit. */
const IMAGE_MIB = 128;
const SECONDS = 5;

const GROUPS = [
  { name: 'gold', iops: 4000 },
  { name: 'silver', iops: 1000 },
] as const;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function checkTools(): Promise<void> {
  await checkSluiceBuilt();
  if (!(await isInstalled('fio'))) throw new Error('fio is missing; run make setup');
}

async function makeImages(folder: string): Promise<Record<string, string>> {
  const images: Record<string, string> = {};
  for (const { name } of GROUPS) {
    const path = join(folder, `${name}.img`);
    await makeImage(path, IMAGE_MIB);
    images[name] = path;
  }
  return images;
}

async function measure(file: string, folder: string): Promise<FioResult> {
  const fio = await startFio(
    {
      file,
      size: IMAGE_MIB * 1024 * 1024,
      rw: 'randread',
      blockSize: 4096,
      depth: 32,
      jobs: 1,
      seconds: SECONDS,
      // With a ramp, fio does not count the requests in flight at its end, but counts their time.
      rampSeconds: 0,
    },
    folder,
  );
  return fio.done;
}

function table(results: readonly FioResult[]): string {
  const rows = GROUPS.map(({ name, iops }, index) => {
    const got = results[index].iops;
    const difference = formatPercent((got / iops - 1) * 100);
    return [name, String(iops), got.toFixed(1), difference];
  });
  return markdownTable(['image', 'IOPS asked', 'IOPS got', 'difference'], rows);
}

async function main(): Promise<number> {
  await checkTools();
  const folder = await temporaryFolder(tmpdir());
  say(`Two images of ${IMAGE_MIB} MiB in ${folder}`);
  const images = await makeImages(folder);
  const options = GROUPS.flatMap(({ name, iops }) => [
    '--group',
    `${name}:iops=${iops}`,
    '--assign',
    `${name}=${name}`,
  ]);
  const log = ['--log', join(folder, 'sluice.log')];
  const mountpoint = join(folder, 'mnt');
  say(`$ sluice mount gold.img silver.img ${mountpoint} \\\n    ${options.join(' ')}`);
  const mount = await mountSluice(mountpoint, images, IMAGE_MIB * 1024 * 1024, [
    ...options,
    ...log,
  ]);
  say(`fio on both at once: random 4 KiB reads, 32 at a time, ${SECONDS} s\n`);
  const running = GROUPS.map(({ name }) => measure(mount.file(name), folder));
  const results = await Promise.all(running);
  say(table(results));
  say(`\n$ sluice umount ${mountpoint}`);
  await mount.stop();
  return 0;
}

await runTool('demo', main);
