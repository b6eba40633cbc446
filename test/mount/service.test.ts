import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SLUICE } from '../../tools/lib/program.js';
import { NotifySocket } from '../helpers/notify-socket.js';
import { eventually, mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const serviceTest = requires('fuse', 'io_uring');
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

systemdTest('the unit is sound', async (t) => {
  const folder = tempFolder(t);
  copyFileSync('docs/sluice@.service', join(folder, 'sluice@.service'));
  const ended = await run('systemd-analyze', ['verify', join(folder, 'sluice@vm.service')]);
  // Other units of the machine may have faults of their own.
  t.notRegex(ended.stdout + ended.stderr, /sluice/);
  // These would give the service mounts of its own, and nobody else would see its files.
  const unit = readFileSync('docs/sluice@.service', 'utf8');
  t.notRegex(
    unit,
    /^(Private(Tmp|Devices|Mounts)|Protect\w+|ReadOnlyPaths|\w*Paths|RootDirectory)=/m,
  );
});
