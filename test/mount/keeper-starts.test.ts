import { mkdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Asked, askMount } from '../../src/server/api-client.js';
import { readText } from '../../src/sys/files.js';
import type { SluiceError } from '../../src/util/errors.js';
import { checkNothingLeft, keeperOf } from '../helpers/keepers.js';
import { eventually, isAlive, mountsAt, processesOf } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import {
  killed,
  restarted,
  type SluiceMount,
  served,
  startMount,
} from '../helpers/sluice-mount.js';
import { MIB, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const keeperTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu');

/**
 * The process that is to go on in the place of a dead one.
 * @param isLoaded It can take signals.
 */
async function starting(mount: SluiceMount, isLoaded = true): Promise<number> {
  // Node.js itself catches SIGTERM at once, and this one not.
  const SIGUSR2_BIT = 1n << 11n;
  const own = [mount.pid, keeperOf(mount)];
  for (;;) {
    const others = processesOf(mount.point).filter((one) => !own.includes(one));
    const shells = processesOf('sluice-keeper');
    const [pid] = others.filter((one) => !shells.includes(one));
    // One of them may be a child that has ended meanwhile.
    const status = readText(`/proc/${pid}/status`) ?? '';
    const caught = BigInt(`0x${/^SigCgt:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
    if (pid !== undefined && !isLoaded) return pid;
    if ((caught & SIGUSR2_BIT) !== 0n) return pid!;
    await setTimeout(1);
  }
}

keeperTest('SIGTERM for a daemon that is about to go on ends the mount in order', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const raw = sparseFile(join(folder, 'raw.img'), MIB);
  for (const [pauseMs, isLoaded] of [
    [0, false],
    [20, false],
    [0, true],
    [30, true],
    [100, true],
  ] as const) {
    const mount = await startMount(t, [raw], ['--keeper']);
    process.kill(mount.pid, 'SIGKILL');
    const next = await starting(mount, isLoaded);
    await setTimeout(pauseMs);
    process.kill(next, 'SIGTERM');
    t.true(await eventually(() => mountsAt(mount.point).length === 0));
    await checkNothingLeft(t, mount, raw);
    t.is(mount.log.match(/has died$/gm)?.length, 1, mount.log);
  }
});

keeperTest('a daemon that hangs while it starts is killed, and another one goes on', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  let mount = await startMount(t, [raw], ['--keeper']);
  process.kill(mount.pid, 'SIGKILL');
  const hung = await starting(mount);
  process.kill(hung, 'SIGSTOP');
  const next = await served(t, mount);
  t.not(next.pid, hung);
  mount = next;
  t.true(
    await mount.tells(/main.js, which was started for it, did not come to serve; trying again/),
  );
  t.is((await mount.umount()).code, 0);
  await checkNothingLeft(t, mount, raw);
});

keeperTest('a mount whose log has gone away goes on, and logs again when it can', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  let mount = await startMount(t, [raw], ['--keeper']);
  for (const next of [killed, restarted]) {
    rmSync(mount.logPath);
    mkdirSync(mount.logPath);
    mount = await next(t, mount);
    t.is(statSync(mount.file('raw')).size, MIB);
    rmdirSync(mount.logPath);
    process.kill(mount.pid, 'SIGUSR1');
    t.true(await mount.tells(/warning: .* could not be opened for a while/));
  }
  t.is((await mount.umount()).code, 0);
  await checkNothingLeft(t, mount, raw);
});

keeperTest('a command that comes while a daemon starts waits for its socket', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  const mount = await startMount(t, [raw], ['--keeper']);
  process.kill(mount.pid, 'SIGKILL');
  const { stdout, stderr } = await warmSluice(['restart', mount.point]);
  t.regex(stdout, /^pid \d+ serves /, stderr);
  t.is((await mount.umount()).code, 0);
  await checkNothingLeft(t, mount, raw);
});

keeperTest('a question that a daemon leaves open as it dies is put to the next one', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  let mount = await startMount(t, [raw], ['--keeper']);
  const dies = async (asked: Asked): Promise<{ pid: number } | null> => {
    process.kill(mount.pid, 'SIGSTOP');
    const answer = askMount<{ pid: number }>(mount.point, asked);
    // It is connected within the turn; the daemon cannot read.
    await setTimeout(20);
    process.kill(mount.pid, 'SIGKILL');
    return answer;
  };
  const about = await dies({ method: 'GET', path: '/v1/mount' });
  mount = await served(t, mount);
  t.is(about?.pid, mount.pid);
  const lost = await t.throwsAsync<SluiceError>(dies({ method: 'POST', path: '/v1/reload' }));
  t.is(lost.message, `${mount.point}: its daemon has ended meanwhile`);
  mount = await served(t, mount);
  t.is((await mount.umount()).code, 0);
  await checkNothingLeft(t, mount, raw);
});

keeperTest('a mount for which no daemon starts can be ended all the same', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  const mount = await startMount(t, [raw], ['--keeper']);
  process.kill(keeperOf(mount), 'SIGSTOP');
  process.kill(mount.pid, 'SIGKILL');
  const refused = await warmSluice(['umount', mount.point]);
  t.is(refused.code, 1);
  t.is(
    refused.stderr,
    `sluice: umount: ${mount.point}: a daemon is being started for it again, after a death; try again, or use --force\n`,
  );
  t.is((await warmSluice(['umount', '--force', mount.point])).code, 0);
  await checkNothingLeft(t, mount, raw);
});

keeperTest('a daemon that goes on is shown as the first one, and tries for its port', async (t) => {
  const raw = sparseFile(join(tempFolder(t, TMPFS), 'raw.img'), MIB);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  await new Promise((resolve) => other.close(resolve));
  let mount = await startMount(t, [raw], ['--keeper', '--metrics', `127.0.0.1:${port}`]);
  const words = () => readFileSync(`/proc/${mount.pid}/cmdline`, 'utf8').replace(/\0+$/, '');
  const before = words();
  // Another program gets the port before the next daemon does.
  const keeper = keeperOf(mount);
  process.kill(keeper, 'SIGSTOP');
  process.kill(mount.pid, 'SIGKILL');
  t.true(await eventually(() => !isAlive(mount.pid)));
  // Sockets of a process that has ended are closed a moment later.
  const listens = (): Promise<boolean> =>
    new Promise((resolve) => {
      other.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
  while (!(await listens())) await setTimeout(10);
  process.kill(keeper, 'SIGCONT');
  mount = await served(t, mount);
  t.is(words(), before);
  t.true(await mount.tells(/warning: no metrics for now, tried again: .* the port is in use/));
  await new Promise((resolve) => other.close(resolve));
  const text = async (): Promise<string> => {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    } catch {
      await setTimeout(100);
      return text();
    }
  };
  t.regex(await text(), /sluice_/);
  t.is((await mount.umount()).code, 0);
});
