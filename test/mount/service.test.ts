import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { SLUICE } from '../../tools/lib/program.js';
import { NotifySocket } from '../helpers/notify-socket.js';
import { eventually, isAlive, mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run, sluice } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const serviceTest = requires('fuse', 'io_uring');
const restartTest = requires('fuse', 'root', 'io_uring', 'resend');
const systemdTest = requires('systemd');

/** A mount in the foreground as systemd starts it, and the messages that systemd gets. */
class Service {
  readonly point: string;
  readonly file: string;
  readonly #t: ExecutionContext;
  readonly #socket: NotifySocket;
  /** Messages since the last call of `forget`. */
  readonly got: string[] = [];

  /** @param groups Lines of the configuration behind its image. */
  constructor(t: ExecutionContext, groups = '') {
    const folder = tempFolder(t);
    patternFile(join(folder, 'web.img'), MIB);
    this.#t = t;
    this.point = join(folder, 'mnt');
    mkdirSync(this.point);
    this.file = join(folder, 'vm.yaml');
    this.configure(groups);
    this.#socket = new NotifySocket(join(folder, 'notify'));
    t.teardown(() => this.#socket.close());
    t.teardown(() => forceAway(this.point));
  }

  configure(groups: string): void {
    writeFileSync(this.file, `mountpoint: mnt\nimages: {web: web.img}\n${groups}`);
  }

  start(more: NodeJS.ProcessEnv = {}, stdio: StdioOptions = 'ignore'): ChildProcess {
    const env = { ...process.env, NOTIFY_SOCKET: this.#socket.path, ...more };
    const words = [SLUICE, 'mount', '--foreground', '--config', this.file];
    const child = spawn(process.execPath, words, { env, stdio });
    this.#t.teardown(() => child.kill('SIGKILL'));
    return child;
  }

  hears(text: string): Promise<boolean> {
    return eventually(() => {
      this.got.push(...this.#socket.received());
      return this.got.some((one) => one.startsWith(text));
    });
  }

  forget(): void {
    this.got.length = 0;
  }
}

serviceTest('a service tells systemd of its readiness, of a reload, and of its end', async (t) => {
  const service = new Service(t, 'groups: {gold: {weight: 7}}\n');
  const { point } = service;
  const child = service.start({ WATCHDOG_USEC: '200000' });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  t.true(await service.hears(`READY=1\nSTATUS=1 image at ${point}`));
  t.is(mountsAt(point).length, 1);
  t.true(await service.hears('WATCHDOG=1'));
  service.forget();
  service.configure('groups: {gold: {weight: 9}}\n');
  child.kill('SIGHUP');
  t.true(await service.hears('RELOADING=1\nMONOTONIC_USEC='));
  t.true(await service.hears('READY=1'));
  t.is(await must('cat', [join(point, '.groups/gold/io.weight')]), 'default 9\n');
  child.kill('SIGTERM');
  t.true(await service.hears('STOPPING=1'));
  t.is(await ended, 0);
  t.deepEqual(mountsAt(point), []);
});

restartTest('a service goes on in a new process, which systemd is told', async (t) => {
  const service = new Service(t);
  const { point } = service;
  const child = service.start({}, ['ignore', 'ignore', 'pipe']);
  let log = '';
  child.stderr!.on('data', (part) => {
    log += part;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  t.true(await service.hears('READY=1'));
  service.forget();
  const told = await must(process.execPath, [SLUICE, 'restart', point]);
  const pid = Number(/^pid ([0-9]+) serves /.exec(told)![1]);
  t.is(await ended, 0);
  t.true(await service.hears('READY=1'));
  // systemd takes messages of the new process only once that is the main process of the service.
  t.deepEqual(
    service.got.map((one) => one.split('\n')[0]),
    [`MAINPID=${pid}`, 'READY=1'],
  );
  t.is(mountsAt(point).length, 1);
  process.kill(pid, 'SIGTERM');
  t.true(await service.hears('STOPPING=1'));
  t.true(await eventually(() => !isAlive(pid)));
  t.deepEqual(mountsAt(point), []);
  t.true(await eventually(() => log.includes(`sluice[${pid}] ${point}: unmounted`)), log);
});

serviceTest('a service that was killed is started again where its dead mount is', async (t) => {
  const service = new Service(t);
  const { point } = service;
  const start = async (): Promise<ChildProcess> => {
    service.forget();
    const child = service.start();
    t.true(await service.hears('READY=1'));
    return child;
  };
  const first = await start();
  const killed = once(first, 'exit');
  first.kill('SIGKILL');
  await killed;
  t.is(mountsAt(point).length, 1);
  const second = await start();
  t.is(mountsAt(point).length, 1);
  t.is(
    await must('cat', [join(point, '.groups/daemon')]).then(
      (text) => /pid ([0-9]+)/.exec(text)![1],
    ),
    String(second.pid),
  );
  const ended = once(second, 'exit');
  second.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});

serviceTest('the unit reloads by its file, and is told of the outcome', async (t) => {
  const service = new Service(t, 'groups: {gold: {weight: 7}}\n');
  const { point, file } = service;
  const child = service.start();
  const ended = once(child, 'exit');
  t.true(await service.hears('READY=1'));
  const reload = (...words: string[]) => sluice(['reload', ...words]);
  service.configure('groups: {gold: {weight: 9}}\n');
  const done = await reload('--config', file);
  t.deepEqual([done.code, done.stderr], [0, '']);
  const weight = join(point, '.groups/gold/io.weight');
  t.is(await must('cat', [weight]), 'default 9\n');
  service.configure('groups: {gold: {weight: 0}}\n');
  const refused = await reload('--config', file);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^sluice: reload: .*: groups: gold: weight=0: not from 1 to 10000\n$/);
  t.is(await must('cat', [weight]), 'default 9\n');
  for (const words of [[], [point, '--config', file]]) {
    const unclear = await reload(...words);
    t.is(unclear.code, 2);
    t.regex(unclear.stderr, /: name the mount point, or --config FILE with its configuration/);
  }
  writeFileSync(file, 'images: {web: web.img}\n');
  t.regex((await reload('--config', file)).stderr, /vm\.yaml: names no mount point; give that/);
  child.kill('SIGTERM');
  await ended;
  t.deepEqual(mountsAt(point), []);
});

systemdTest('the unit is sound', async (t) => {
  const folder = tempFolder(t);
  copyFileSync('docs/sluice@.service', join(folder, 'sluice@.service'));
  const ended = await run('systemd-analyze', ['verify', join(folder, 'sluice@vm.service')]);
  // Other units of the machine may have faults of their own.
  t.notRegex(ended.stdout + ended.stderr, /sluice/);
  // What it could still do to the machine, from 0 to 10 in tenths: a mount needs CAP_SYS_ADMIN and the mounts of all.
  const words = ['security', '--offline=true', '--threshold=65', '--no-pager'];
  const rated = await run('systemd-analyze', [...words, join(folder, 'sluice@.service')]);
  t.is(rated.code, 0, rated.stdout.slice(-200));
  // These would give the service mounts of its own, and nobody else would see its files.
  const unit = readFileSync('docs/sluice@.service', 'utf8');
  t.notRegex(
    unit,
    /^(Private(Tmp|Devices|Mounts)|Protect\w+|ReadOnlyPaths|\w*Paths|RootDirectory)=/m,
  );
});
