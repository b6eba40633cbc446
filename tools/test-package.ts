import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, runTool } from './lib/cleanup.js';
import { temporaryFolder } from './lib/image.js';
import { unmount } from './lib/mounts.js';
import { toolOptions } from './lib/options.js';
import { run } from './lib/process.js';

/**
 * Installs the npm package as users do, in an empty project and globally, and mounts with what is there, by each transport.
 * Needs the registry of npm: koffi and fuse-native come from there.
 */

const NPM_LIMIT_MS = 300_000;
const TRANSPORTS = ['uring', 'fuse-native'];

async function npm(...words: string[]): Promise<string> {
  return run('npm', [...words, '--no-audit', '--no-fund'], NPM_LIMIT_MS);
}

async function mounts(project: string, transport: string): Promise<void> {
  const program = join(project, 'node_modules/.bin/sluice');
  const image = join(project, 'disk.img');
  const point = join(project, 'mnt');
  mkdirSync(point, { recursive: true });
  writeFileSync(image, '');
  truncateSync(image, 1 << 20);
  atEnd(() => unmount(point));
  const log = join(project, 'log');
  await run(program, ['mount', image, point, '--transport', transport, '--log', log]);
  writeFileSync(join(point, 'disk.raw'), 'written', { flag: 'r+' });
  await run(program, ['set', point, 'gold', '--create', 'bps=10M']);
  await run(program, ['umount', point]);
  if (readFileSync(image, 'latin1').startsWith('written')) return;
  throw new Error(`${transport}: what was written is not in the image`);
}

async function main(): Promise<number> {
  toolOptions('test-package', 'Installs the npm package and mounts with it.').parseSync();
  const { name, version, man } = JSON.parse(readFileSync('package.json', 'utf8'));
  const folder = await temporaryFolder(tmpdir());
  await npm('pack', '--ignore-scripts', '--pack-destination', folder);
  const tarball = join(folder, `${name}-${version}.tgz`);
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"private": true}\n');
  await npm('install', '--prefix', project, tarball);
  const shown = await run('npx', ['--no-install', '--prefix', project, 'sluice', '--version']);
  if (shown !== `${version}\n`) throw new Error(`npx sluice --version says ${shown}`);
  for (const transport of TRANSPORTS) {
    await mounts(project, transport);
    console.log(`${transport}: mounted, written, changed, unmounted`);
  }
  const global = join(folder, 'global');
  await npm('install', '--global', '--prefix', global, tarball);
  for (const page of man as string[]) {
    const file = page.slice(page.lastIndexOf('/') + 1);
    readFileSync(join(global, 'share/man', `man${file.at(-1)}`, file));
  }
  console.log(`${name} ${version}: ${man.length} manual pages are where man looks`);
  return 0;
}

await runTool('test-package', main);
