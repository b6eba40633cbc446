import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SLUICE } from '../../tools/lib/program.js';
import { NotifySocket } from '../helpers/notify-socket.js';
import { eventually, isAlive, mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const serviceTest = requires('fuse', 'io_uring');
const restartTest = requires('fuse', 'root', 'io_uring', 'resend');
const systemdTest = requires('systemd');

serviceTest('a service tells systemd of its readiness, of a reload, and of its end', async (t) => {
  const folder = tempFolder(t);
  patternFile(join(folder, 'web.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const file = join(folder, 'vm.yaml');
  writeFileSync(file, 'mountpoint: mnt\nimages: {web: web.img}\ngroups: {gold: {weight: 7}}\n');
  const socket = new NotifySocket(join(folder, 'notify'));
  t.teardown(() => socket.close());
  const env = { ...process.env, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '200000' };
  const child = spawn(process.execPath, [SLUICE, 'mount', '--foreground', '--config', file], {
    ...{ env, stdio: 'ignore' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const got: string[] = [];
  const hears = (text: string): Promise<boolean> =>
    eventually(() => {
      got.push(...socket.received());
      return got.some((one) => one.startsWith(text));
    });
  t.true(await hears(`READY=1\nSTATUS=1 image at ${point}`));
  t.is(mountsAt(point).length, 1);
  t.true(await hears('WATCHDOG=1'));
  got.length = 0;
  writeFileSync(file, 'mountpoint: mnt\nimages: {web: web.img}\ngroups: {gold: {weight: 9}}\n');
  child.kill('SIGHUP');
  t.true(await hears('RELOADING=1\nMONOTONIC_USEC='));
  t.true(await hears('READY=1'));
  t.is(await must('cat', [join(point, '.groups/gold/io.weight')]), 'default 9\n');
  child.kill('SIGTERM');
  t.true(await hears('STOPPING=1'));
  t.is(await ended, 0);
  t.deepEqual(mountsAt(point), []);
});

restartTest('a service goes on in a new process, which systemd is told', async (t) => {
  const folder = tempFolder(t);
  patternFile(join(folder, 'web.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const file = join(folder, 'vm.yaml');
  writeFileSync(file, 'mountpoint: mnt\nimages: {web: web.img}\n');
  const socket = new NotifySocket(join(folder, 'notify'));
  t.teardown(() => socket.close());
  t.teardown(() => forceAway(point));
  const env = { ...process.env, NOTIFY_SOCKET: socket.path };
  const child = spawn(process.execPath, [SLUICE, 'mount', '--foreground', '--config', file], {
    ...{ env, stdio: ['ignore', 'ignore', 'pipe'] },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr!.on('data', (part) => {
    log += part;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const got: string[] = [];
  const hears = (text: string): Promise<boolean> =>
    eventually(() => {
      got.push(...socket.received());
      return got.some((one) => one.startsWith(text));
    });
  t.true(await hears('READY=1'));
  got.length = 0;
  const told = await must(process.execPath, [SLUICE, 'restart', point]);
  const pid = Number(/^pid ([0-9]+) serves /.exec(told)![1]);
  t.is(await ended, 0);
  t.true(await hears('READY=1'));
  // What a process tells counts only from when it is the main one.
  t.deepEqual(
    got.map((one) => one.split('\n')[0]),
    [`MAINPID=${pid}`, 'READY=1'],
  );
  t.is(mountsAt(point).length, 1);
  process.kill(pid, 'SIGTERM');
  t.true(await hears('STOPPING=1'));
  t.true(await eventually(() => !isAlive(pid)));
  t.deepEqual(mountsAt(point), []);
  t.true(await eventually(() => log.includes(`sluice[${pid}] ${point}: unmounted`)), log);
});

serviceTest('a service that was killed is started again where its dead mount is', async (t) => {
  const folder = tempFolder(t);
  patternFile(join(folder, 'web.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const file = join(folder, 'vm.yaml');
  writeFileSync(file, 'mountpoint: mnt\nimages: {web: web.img}\n');
  const socket = new NotifySocket(join(folder, 'notify'));
  t.teardown(() => socket.close());
  t.teardown(() => forceAway(point));
  const words = [SLUICE, 'mount', '--foreground', '--config', file];
  const start = async (): Promise<ChildProcess> => {
    const env = { ...process.env, NOTIFY_SOCKET: socket.path };
    const child = spawn(process.execPath, words, { env, stdio: 'ignore' });
    t.teardown(() => child.kill('SIGKILL'));
    t.true(await eventually(() => socket.received().some((one) => one.startsWith('READY=1'))));
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
