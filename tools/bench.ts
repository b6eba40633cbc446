import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchBars } from './bench-bars.js';
import { BENCH_CASES, type BenchCase, type Storage } from './bench-cases.js';
import { type BenchReport, benchMarkdown } from './bench-report.js';
import { type CaseResult, type Place, runCase } from './bench-run.js';
import { judge } from './bench-targets.js';
import { runTool, UsageError } from './lib/cleanup.js';
import { makeImage, temporaryFolder } from './lib/image.js';
import { describeMachine } from './lib/machine.js';
import { fileSystemOf } from './lib/mounts.js';
import { chosen, inRange, listOf, namedValues, toolOptions } from './lib/options.js';
import { isInstalled } from './lib/process.js';
import * as server from './lib/servers.js';

const PROGRAMS = ['fio', 'qemu-storage-daemon', 'nbdfuse', 'nbdkit', 'xmount'];
const BUILD = fileURLToPath(new URL('..', import.meta.url));

/** File systems that are not on a local disk, so their figures would be misleading. */
const NO_DISK = /^(tmpfs|ramfs|fuse.*|overlay|squashfs|nfs.*|9p|virtiofs)$/;

function readOptions() {
  return toolOptions('bench', 'Measures sluice beside its peers with fio, in alternating rounds.')
    .options({
      quick: { type: 'boolean', default: false, describe: '1 round of 1 s, image of 256 MiB' },
      runtime: { type: 'number', describe: 'seconds of each run [3]' },
      rounds: { type: 'number', describe: 'rounds, of which the median counts [3]' },
      'size-mib': { type: 'number', describe: 'size of the image in MiB [1024]' },
      'dir-tmpfs': { type: 'string', default: '/dev/shm', describe: 'folder on a tmpfs' },
      'dir-disk': { type: 'string', default: BUILD, describe: 'folder on a disk file system' },
      only: {
        type: 'string',
        describe: 'cases: ids, or a part of one (tmpfs, randread-qd32), ...',
      },
      servers: { type: 'string', describe: 'names of the servers to run, comma-separated' },
      peers: { type: 'boolean', default: true, describe: 'run others than host file and sluice' },
      'qemu-aio': {
        type: 'string',
        default: 'native,native+iothread,io_uring',
        describe: 'aio modes of qemu-storage-daemon, +iothread appended for one',
      },
      'sluice-option': {
        type: 'array',
        string: true,
        default: [],
        describe: '--NAME=VALUE for mount',
      },
      peer: {
        type: 'array',
        string: true,
        default: [],
        describe: 'NAME=COMMAND with {mountpoint} and {image}',
      },
      'peer-file': {
        type: 'array',
        string: true,
        default: [],
        describe: "NAME=FILE below {mountpoint} ('.': {mountpoint} is a file) [the only *.raw]",
      },
      json: { type: 'string', describe: 'write everything measured to this file' },
      markdown: { type: 'string', describe: 'write the report to this file too' },
      svg: { type: 'string', describe: 'draw bars beside the host file to this file' },
      strict: {
        type: 'boolean',
        default: false,
        describe: 'exit with 1 unless every target is met',
      },
    })
    .parseSync();
}

type Options = ReturnType<typeof readOptions>;

function settingsOf(options: Options) {
  const { quick } = options;
  const settings = {
    seconds: options.runtime ?? (quick ? 1 : 3),
    rampSeconds: quick ? 0.2 : 0.5,
    rounds: options.rounds ?? (quick ? 1 : 3),
    sizeMib: options['size-mib'] ?? (quick ? 256 : 1024),
  };
  inRange('runtime', settings.seconds, 0.1, 3600);
  inRange('rounds', settings.rounds, 1, 1000);
  inRange('size-mib', settings.sizeMib, 16, 1 << 20);
  return settings;
}

function allServers(options: Options): server.Server[] {
  const words = options['sluice-option'];
  const passed = server.sluicePassthrough(words);
  const own = [
    server.hostFile(),
    server.sluice(words),
    server.sluiceFuseUring(words),
    passed,
    server.sluiceNative(words),
  ];
  if (!options.peers) return own;
  const files = namedValues('peer-file', options['peer-file']);
  const peers = [...namedValues('peer', options.peer)].map(([name, command]) =>
    server.peer(name, command, files.get(name) ?? null),
  );
  const qemu = listOf(options['qemu-aio']).map(server.qemuStorageDaemon);
  const nbd = [server.nbdFuse(), server.nbdFuseMemory(), server.sluiceNbdMemory(words)];
  const all = [...own, server.plainNative(), ...qemu, ...nbd, server.xmount(), ...peers];
  const names = new Set(all.map(({ name }) => name));
  if (names.size < all.length) throw new UsageError('--peer: a name is taken already');
  return all;
}

function wantedServers(options: Options): server.Server[] {
  const all = allServers(options);
  if (options.servers === undefined) return all;
  const names = listOf(options.servers);
  const unknown = names.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new UsageError(`--servers: "${unknown}" is none of ${all.map((s) => s.name).join(', ')}`);
  }
  return all.filter(({ name }) => names.includes(name));
}

async function preparePlace(storage: Storage, parent: string, sizeMib: number) {
  const folder = await temporaryFolder(parent);
  const type = await fileSystemOf(folder);
  if (storage === 'tmpfs' && type !== 'tmpfs') {
    throw new UsageError(`--dir-tmpfs: ${parent} is on ${type}, not on a tmpfs`);
  }
  if (storage === 'disk' && NO_DISK.test(type)) {
    throw new UsageError(`--dir-disk: ${parent} is on ${type}; name a folder on a disk`);
  }
  const image = join(folder, 'bench.img');
  await makeImage(image, sizeMib);
  return { place: { folder, image }, type };
}

async function splitMissing(servers: readonly server.Server[]) {
  const skipped: Record<string, string> = {};
  for (const one of servers) {
    const why = await one.missing();
    if (why !== null) skipped[one.name] = why;
  }
  return { ready: servers.filter(({ name }) => !(name in skipped)), skipped };
}

async function runAll(cases: readonly BenchCase[], options: Options): Promise<BenchReport> {
  const settings = settingsOf(options);
  const { ready, skipped } = await splitMissing(wantedServers(options));
  const places = new Map<Storage, Place>();
  const fileSystems: BenchReport['fileSystems'] = {};
  const progress = (line: string): void => console.error(line);
  for (const storage of new Set(cases.map((one) => one.storage))) {
    const parent = storage === 'tmpfs' ? options['dir-tmpfs'] : options['dir-disk'];
    progress(`${storage}: image of ${settings.sizeMib} MiB in ${parent}`);
    const { place, type } = await preparePlace(storage, parent, settings.sizeMib);
    places.set(storage, place);
    fileSystems[storage] = type;
  }
  const results: CaseResult[] = [];
  for (const one of cases) {
    const place = places.get(one.storage) as Place;
    results.push(await runCase(one, ready, place, settings, progress));
  }
  const machine = await describeMachine(PROGRAMS);
  const targets = ready.some(({ kind }) => kind === 'sluice') ? judge(results, ready) : [];
  const servers = ready.map(({ name }) => name);
  return { machine, settings, fileSystems, servers, skipped, results, targets };
}

async function main(): Promise<number> {
  const options = readOptions();
  const ids = chosen(
    BENCH_CASES.map(({ id }) => id),
    options.only,
  );
  if (!(await isInstalled('fio'))) throw new Error('fio is not installed; run `make setup`');
  const cases = BENCH_CASES.filter(({ id }) => ids.has(id));
  const report = await runAll(cases, options);
  const markdown = benchMarkdown(report);
  console.log(markdown);
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown) await writeFile(options.markdown, markdown);
  if (options.svg) await writeFile(options.svg, benchBars(report));
  const allMet = report.targets.every(({ met }) => met === true);
  return options.strict && !allMet ? 1 : 0;
}

await runTool('bench', main);
