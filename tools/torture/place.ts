import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../exerciser/random.js';
import { atEnd, messageOf } from '../lib/cleanup.js';
import { hasMounts, isMounted } from '../lib/mounts.js';
import { type Outcome, outcomeOf, run, settles, start } from '../lib/process.js';
import { SLUICE } from '../lib/program.js';
import { Agent } from '../verifier/agent.js';
import { ImageModel, type Promised } from '../verifier/image-model.js';
import { checkContent, checkTables, type HostImage, type Soundness } from '../verifier/judge.js';
import { SECTOR } from '../verifier/stamps.js';
import { Mounted, type MountWay } from './mounted.js';
import { CGROUPS } from './needs.js';
import type { Transport } from './scenario.js';

const READY_LIMIT_MS = 60_000;
/** Removing one thing; a step that hangs is reported and left. */
const UNDO_LIMIT_MS = 40_000;

/** An image with its model. */
export interface TestImage extends HostImage {
  model: ImageModel;
}

interface Undo {
  what: string;
  undo: () => Promise<unknown>;
}

/** Repeats a check until it holds; false after the limit. */
export async function eventually(
  limitMs: number,
  check: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!(await check())) {
    if (performance.now() > end) return false;
    await delay(10);
  }
  return true;
}

/** @throws Error if the condition does not hold */
export function insist(condition: boolean, sentence: string): void {
  if (!condition) throw new Error(sentence);
}

/**
 * The world of one scenario: a folder, and everything that is made in it. `end` removes all of it, the
 * last one first, and tells what cannot be removed.
 */
export class Place {
  readonly folder: string;
  readonly transport: Transport;
  readonly isShort: boolean;
  readonly random: Random;
  /** Leaves the files, to look at them later. */
  keep = false;
  /** Loop devices that are attached. */
  readonly #loops = new Set<string>();
  readonly #undos: Undo[] = [];
  readonly #mounts: Mounted[] = [];
  readonly #forget: () => void;
  #ending: Promise<string[]> | null = null;
  #count = 0;

  constructor(parent: string, transport: Transport, isShort: boolean, seed = 1) {
    this.transport = transport;
    this.isShort = isShort;
    this.random = new Random(seed, 0);
    this.#forget = atEnd(async () => {
      const left = await this.end();
      if (left.length > 0) throw new Error(left.join('; '));
    });
    this.folder = mkdtempSync(join(resolve(parent), 'sluice-torture-'));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A name that nothing else has on this machine. */
  #unique(what: string): string {
    return `${basename(this.folder)}-${what}-${this.#count++}`;
  }

  /** Registers how a thing that is about to be made is removed. */
  defer(what: string, undo: () => Promise<unknown>): void {
    if (this.#ending !== null) throw new Error('interrupted');
    this.#undos.push({ what, undo });
  }

  /** Runs a command of sluice to its end. */
  sluice(words: readonly string[], limitMs = 60_000): Promise<Outcome> {
    return outcomeOf(process.execPath, [SLUICE, ...words], limitMs);
  }

  /** A sparse raw image of zeros. */
  async raw(name: string, sectors: number): Promise<TestImage> {
    const path = this.path(name);
    await run('truncate', ['-s', String(sectors * SECTOR), path]);
    return { path, format: 'raw', model: new ImageModel(++this.#count, sectors) };
  }

  /** An empty qcow2 image. @param options as for `qemu-img create -o` */
  async qcow2(name: string, sectors: number, options = 'cluster_size=65536'): Promise<TestImage> {
    const path = this.path(name);
    const words = ['create', '-q', '-f', 'qcow2', '-o', options, path, String(sectors * SECTOR)];
    await run('qemu-img', words);
    return { path, format: 'qcow2', model: new ImageModel(++this.#count, sectors) };
  }

  /** Words of a mount with the transport of this place, in the foreground; it is not ready yet. */
  async startMount(
    images: readonly string[],
    words: readonly string[] = [],
    { prefix = [], flags = [], transport = this.transport }: MountWay = {},
  ): Promise<Mounted> {
    const name = `mnt${this.#count++}`;
    const point = this.path(name);
    const log = this.path(`${name}.log`);
    await mkdir(point);
    const command = [process.execPath, ...flags, SLUICE, 'mount', ...images, point, '--foreground'];
    const all = [...prefix, ...command, '--log', log, '--transport', transport, ...words];
    let mounted: Mounted | null = null;
    this.defer(point, async () => mounted?.remove());
    const child = await start(all[0], all.slice(1), this.folder);
    mounted = new Mounted(point, log, child, (words) => this.sluice(words));
    this.#mounts.push(mounted);
    return mounted;
  }

  /** A mount in the foreground, ready for use. */
  async mount(
    images: readonly string[],
    words: readonly string[] = [],
    way: MountWay = {},
  ): Promise<Mounted> {
    const mounted = await this.startMount(images, words, way);
    const isReady = (): boolean => mounted.isReady() || !mounted.isAlive();
    const inTime = await eventually(READY_LIMIT_MS, isReady);
    if (!inTime || !mounted.isReady()) {
      const how = inTime ? 'ended before it was ready' : `is not ready in ${READY_LIMIT_MS} ms`;
      throw new Error(`the mount ${how}: ${mounted.output()} ${mounted.lastLines(5)}`);
    }
    return mounted;
  }

  /** A mount whose daemon is no child of the tool. Returns its mount point. */
  async background(image: string, words: readonly string[]): Promise<string> {
    const point = this.path(`mnt${this.#count++}`);
    await mkdir(point);
    this.defer(point, async () => {
      if (await isMounted(point)) await this.sluice(['umount', point, '--force']);
    });
    const log = this.path(`${basename(point)}.log`);
    const own = ['mount', image, point, '--log', log, '--transport', this.transport];
    const { code, stderr } = await this.sluice([...own, ...words]);
    insist(code === 0, `sluice mount ends with ${code}: ${stderr.trim()}`);
    return point;
  }

  /** A process that uses the mounts. */
  agent(): Agent {
    let agent: Agent | null = null;
    this.defer('agent', async () => {
      agent?.end();
      if (agent !== null && !(await eventually(10_000, () => !isAlive(agent!.pid)))) {
        throw new Error(`process ${agent.pid} does not end`);
      }
    });
    agent = new Agent();
    return agent;
  }

  /** Attaches a file to a loop device. */
  async loop(file: string, ...words: string[]): Promise<string> {
    let device = '';
    // When it is detached, another scenario may have one of this number.
    this.defer(`loop device of ${file}`, async () => {
      if (this.#loops.has(device)) await this.detach(device);
    });
    device = (await run('losetup', ['--find', '--show', ...words, file])).trim();
    this.#loops.add(device);
    return device;
  }

  /** Detaches a loop device and waits until that is done. */
  async detach(device: string): Promise<void> {
    this.#loops.delete(device);
    await outcomeOf('losetup', ['-d', device]);
    const name = device.slice('/dev/'.length);
    const isFree = (): boolean => !readdirSync(`/sys/block/${name}`).includes('loop');
    insist(await eventually(20_000, isFree), `${device} stays attached`);
  }

  /** Mounts a file system on a new folder. Returns the folder. */
  async fileSystem(name: string, ...words: string[]): Promise<string> {
    const folder = this.path(name);
    await mkdir(folder, { recursive: true });
    this.defer(folder, () => this.unmount(folder));
    await run('mount', [...words, folder], 60_000);
    return folder;
  }

  async unmount(folder: string): Promise<void> {
    for (let tries = 0; tries < 20 && (await isMounted(folder)); tries++) {
      const { code } = await outcomeOf('umount', ['-i', folder], 20_000);
      if (code !== 0) await delay(100);
    }
    if (await isMounted(folder)) await outcomeOf('umount', ['-i', '-l', folder], 5000);
    insist(!(await isMounted(folder)), `${folder} stays mounted`);
  }

  /** A small ext4 file system, for hosts that run full. */
  async smallHost(mib: number): Promise<string> {
    const file = this.path('host.ext4');
    await run('truncate', ['-s', `${mib}M`, file]);
    await run('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', file]);
    return this.fileSystem('host', await this.loop(file));
  }

  /** A memory cgroup with a limit. Returns its folder. */
  async memoryGroup(bytes: number): Promise<string> {
    const folder = join(CGROUPS, 'memory', this.#unique('memory'));
    this.#cgroup(folder);
    writeFileSync(join(folder, 'memory.limit_in_bytes'), String(bytes));
    return folder;
  }

  /** Lets a process make only so many writes a second to the disk of `path`. */
  async slowDisk(pid: number, path: string, iops: number): Promise<void> {
    const { dev } = await stat(path);
    const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
    const folder = join(CGROUPS, 'blkio', this.#unique('disk'));
    this.#cgroup(folder);
    writeFileSync(join(folder, 'blkio.throttle.write_iops_device'), `${device} ${iops}`);
    writeFileSync(join(folder, 'cgroup.procs'), String(pid));
  }

  /** Makes a cgroup that is removed when its last process is gone. */
  #cgroup(folder: string): void {
    this.defer(folder, async () => {
      const remove = (): Promise<boolean> =>
        rmdir(folder).then(
          () => true,
          (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
        );
      insist(await eventually(10_000, remove), `${folder} cannot be removed`);
    });
    mkdirSync(folder);
  }

  /** Checks an image that nobody uses any more: its tables, then its bytes. */
  async verify(
    image: TestImage,
    promised: Promised = 'kept',
    allowed: Soundness = 'sound',
  ): Promise<void> {
    await checkTables(image, allowed);
    await checkContent(image.model, image, promised, this.path('copy.raw'));
  }

  /** @throws Error if a mount that the body made is still there */
  checkEnded(): void {
    for (const mounted of this.#mounts) {
      insist(!mounted.isAlive(), `the daemon ${mounted.pid} of ${mounted.point} is left`);
    }
  }

  /** Facts that help to explain a failure. */
  facts(): string[] {
    return this.#mounts.map((one) => {
      const state = one.isAlive() ? 'alive' : `ended with ${one.code()}`;
      return `daemon ${one.pid} is ${state}; ${one.output()}; log: ${one.lastLines(12)}`;
    });
  }

  /** Removes everything. Resolves to sentences about what could not be removed. */
  end(): Promise<string[]> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<string[]> {
    const left: string[] = [];
    for (const { what, undo } of this.#undos.reverse()) {
      const done = undo().catch((error) => left.push(`${what}: ${messageOf(error)}`));
      if (!(await settles(done, UNDO_LIMIT_MS))) left.push(`${what}: cannot be removed`);
    }
    left.push(...(await this.#leftOver()));
    // If a mount could not be undone, removing the folder would remove the files in the mount.
    if (await hasMounts(this.folder)) left.push(`${this.folder}: something is mounted there`);
    else if (!this.keep) await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
    this.#forget();
    return left;
  }

  /** Processes and loop devices that still use the folder. */
  async #leftOver(): Promise<string[]> {
    const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
    const isOurs = (pid: string): boolean => {
      return Number(pid) !== process.pid && read(`/proc/${pid}/cmdline`).includes(this.folder);
    };
    const ours = pids.filter(isOurs);
    // A process that was killed just now may still be on its way out.
    const gone = (): boolean => !ours.some((pid) => isAlive(Number(pid)) && isOurs(pid));
    const left = (await eventually(5000, gone)) ? [] : [`processes are left: ${ours.join(' ')}`];
    const loops = readdirSync('/sys/block').filter((name) => {
      return read(`/sys/block/${name}/loop/backing_file`).startsWith(this.folder);
    });
    return loops.length === 0 ? left : [...left, `loop devices are left: ${loops.join(' ')}`];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** True if a process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  const text = read(`/proc/${pid}/stat`);
  const state = text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  return text !== '' && state !== 'Z' && state !== 'X';
}
