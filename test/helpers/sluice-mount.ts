import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { descriptorsOf, eventually, holdersOf, isAlive, mountsAt, stateOf } from './proc.js';
import { type Ended, must, run, sluice } from './run.js';
import { tempFolder } from './temp.js';
import { warmSluice } from './warm.js';

/** A mount made by the real command line, with a daemon in the background. */
export class SluiceMount {
  readonly point: string;
  readonly logPath: string;
  /** Process of the daemon, from `.groups/daemon`. */
  readonly pid: number;
  private readonly descriptors: string[];

  constructor(point: string, logPath: string, pid: number) {
    this.point = point;
    this.logPath = logPath;
    this.pid = pid;
    this.descriptors = descriptorsOf(pid);
  }

  /** Path of an image in the mount. */
  file(name = 'disk'): string {
    return join(this.point, `${name}.raw`);
  }

  async umount(...words: string[]): Promise<Ended> {
    let ended = await warmSluice(['umount', this.point, ...words]);
    if (ended.stderr.includes('does not answer') && stateOf(this.pid) !== 'T') {
      // On a machine under load the daemon may get no processor for 5 s. One that hangs fails here.
      await must('cat', [join(this.point, '.groups', 'daemon')]);
      ended = await warmSluice(['umount', this.point, ...words]);
    }
    if (!/ unmounted here, but also mounted at /.test(ended.stderr)) return ended;
    // Another test is starting a mount namespace, which has a copy of this mount for a moment.
    const isOver = await eventually(() => !isAlive(this.pid));
    return isOver ? { ...ended, code: 0, stderr: '' } : ended;
  }

  get log(): string {
    return readLog(this.logPath);
  }

  /** True when the log has the pattern: a line may come after the answer to the request that it is about. */
  tells(pattern: RegExp): Promise<boolean> {
    return eventually(() => pattern.test(this.log));
  }

  /** Fails the test if the daemon has more open descriptors than right after mounting. */
  async checkDescriptors(t: ExecutionContext): Promise<void> {
    const sockets = (targets: string[]): number => targets.filter((one) => one === 'socket').length;
    // Beside connections to NBD servers the one to the mount command may have been open still, and what
    // threads open while they start: what is closed since is no leak.
    const most = sockets(this.descriptors);
    // A mount that starts beside this one connects to every daemon for a moment, to see which of them live.
    let more: string[] = [];
    let open = 0;
    await eventually(() => {
      const targets = descriptorsOf(this.pid);
      more = without(targets, [...this.descriptors, ...targets.filter((one) => one === 'socket')]);
      open = sockets(targets);
      return more.length === 0 && open <= most;
    });
    t.deepEqual(more, [], 'descriptors of the daemon');
    t.true(open <= most, `${open} sockets of the daemon, not ${most}`);
  }

  /**
   * Fails the test if the mount or the daemon still exists, or if the log has complaints.
   *
   * @param allowed complaints that are allowed
   */
  async checkGone(t: ExecutionContext, allowed?: RegExp): Promise<void> {
    t.deepEqual(mountsAt(this.point), [], 'nothing stays mounted');
    t.true(await eventually(() => !isAlive(this.pid)), 'the daemon ends');
    const lines = complaints(this.log).filter((line) => allowed?.test(line) !== true);
    t.deepEqual(lines, [], 'the log has no warning and no error');
  }
}

/** The words of a list that are left when each of `others` takes one of its kind away. */
function without(words: readonly string[], others: readonly string[]): string[] {
  const left = [...words];
  for (const other of others) {
    const at = left.indexOf(other);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Lines of a log with level warning or error. */
function complaints(log: string): string[] {
  return log.split('\n').filter((line) => /: (warning|error): /.test(line));
}

/**
 * Mounts in the background: when the command returns 0, the files can be used.
 *
 * @param env If given, the command runs as a process of its own with this environment.
 */
export async function startMount(
  t: ExecutionContext,
  images: readonly string[],
  words: readonly string[] = [],
  env?: NodeJS.ProcessEnv,
): Promise<SluiceMount> {
  const folder = tempFolder(t);
  const point = join(folder, 'mnt');
  const logPath = join(folder, 'log');
  mkdirSync(point);
  t.teardown(() => forceAway(point));
  const all = ['mount', ...images, point, '--log', logPath, ...words];
  const ended = await (env === undefined ? warmSluice(all) : sluice(all, { env }));
  if (ended.code !== 0) {
    const how = ended.timedOut ? 'is not ready in time' : `ends with ${ended.code}`;
    throw new Error(`sluice mount ${how}: ${ended.stderr}\n${tail(readLog(logPath))}`);
  }
  const pid = await daemonOf(point);
  t.teardown(() => endProcess(pid, point));
  // These descriptors are temporary: the socket to the mount command, which may not have ended yet, and
  // modules that a thread for transfers is still loading.
  // Connections to NBD servers and stores stay, the socket for requests, and that of --metrics.
  const hasExport = [...images, ...words].some((word) => /nbds?(\+unix)?:\/\/|shared=/.test(word));
  const sockets = words.includes('--metrics') ? 2 : 1;
  const isSettled = (targets: string[]): boolean => {
    const open = targets.filter((target) => target === 'socket').length;
    const isLoading = targets.some((target) => /\.[cm]?js$/.test(target));
    return !isLoading && (hasExport || open <= sockets);
  };
  await eventually(() => isSettled(descriptorsOf(pid)));
  return new SluiceMount(point, logPath, pid);
}

/**
 * Mounts, runs `use`, and unmounts with `sluice umount`. Afterwards there must be no mount, no process,
 * no open descriptor, and no complaint in the log.
 */
export async function withMount(
  t: ExecutionContext,
  images: readonly string[],
  words: readonly string[],
  use: (mount: SluiceMount) => Promise<void>,
  allowed?: RegExp,
): Promise<void> {
  const mount = await startMount(t, images, words);
  try {
    await use(mount);
    await mount.checkDescriptors(t);
    const ended = await mount.umount();
    t.is(ended.code, 0, `sluice umount: ${ended.stderr}`);
    await mount.checkGone(t, allowed);
  } catch (error) {
    t.log(facts(mount));
    throw error;
  }
  if (!t.passed) t.log(facts(mount));
}

/** `sluice restart`: the same mount, served by another process from now on. */
export async function restarted(t: ExecutionContext, mount: SluiceMount): Promise<SluiceMount> {
  const ended = await sluice(['restart', mount.point]);
  if (ended.code !== 0) throw new Error(`sluice restart ends with ${ended.code}: ${ended.stderr}`);
  const pid = Number(/^pid ([0-9]+) serves /.exec(ended.stdout)?.[1]);
  if (!(pid > 1)) throw new Error(`sluice restart names no process: ${ended.stdout}`);
  t.teardown(() => endProcess(pid, mount.point));
  return new SluiceMount(mount.point, mount.logPath, pid);
}

/** Kills the daemon: the same mount, served by the one that its keeper has started. */
export async function killed(t: ExecutionContext, mount: SluiceMount): Promise<SluiceMount> {
  const { pid } = mount;
  process.kill(pid, 'SIGKILL');
  await eventually(() => !isAlive(pid));
  return served(t, mount);
}

/** The same mount, served by the next daemon after a death. */
export async function served(t: ExecutionContext, mount: SluiceMount): Promise<SluiceMount> {
  const { pid } = mount;
  const next = await daemonOf(mount.point);
  if (next === pid) throw new Error(`pid ${pid} serves the mount after its death`);
  t.teardown(() => endProcess(next, mount.point));
  return new SluiceMount(mount.point, mount.logPath, next);
}

/** The process that serves a mount. */
async function daemonOf(point: string): Promise<number> {
  const status = await must('cat', [join(point, '.groups', 'daemon')]);
  const pid = Number(/^pid ([0-9]+)$/m.exec(status)?.[1]);
  if (!(pid > 1)) throw new Error(`.groups/daemon names no process: ${status}`);
  return pid;
}

/** Facts that help to explain a failed test. */
function facts(mount: SluiceMount): string {
  return [
    `daemon ${mount.pid} is ${isAlive(mount.pid) ? 'alive' : 'gone'}`,
    `mounted: ${JSON.stringify(mountsAt(mount.point))}`,
    `held by: ${holdersOf(mount.point).join('; ') || 'nobody'}`,
    `log: ${tail(mount.log)}`,
  ].join('\n');
}

function tail(log: string): string {
  return log.split('\n').slice(-20).join('\n');
}

/** Removes a mount in any state, so that nothing waits for it for ever. */
export async function forceAway(point: string): Promise<void> {
  for (const { device, type } of mountsAt(point)) {
    if (type.startsWith('fuse')) abortConnection(device);
    await run('umount', ['-i', '-c', '-f', '-l', point], { limitMs: 5000 });
  }
}

/** Aborts all requests of a FUSE mount. Does nothing without the FUSE control file system. */
function abortConnection(device: string): void {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${device.split(':')[1]}/abort`, '1');
  } catch {
    // umount -f does the same.
  }
}

/** Kills a daemon that has outlived its mount, if the pid still belongs to the daemon of `point`. */
async function endProcess(pid: number, point: string): Promise<void> {
  const ours = (): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(point);
    } catch {
      return false;
    }
  };
  // After `umount -f` the daemon ends by itself.
  if (await eventually(() => !ours(), 1000)) return;
  process.kill(pid, 'SIGKILL');
}
