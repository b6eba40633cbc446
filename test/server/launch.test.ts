import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import type { MountConfig } from '../../src/server/config.js';
import { launch } from '../../src/server/launch.js';
import { identify, waitForEnd } from '../../src/server/processes.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';
import { eventually, processesOf } from '../helpers/proc.js';

// Small programs stand in for the daemon: these tests are about the messages between both processes.

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-launch-')));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function setUp(name: string, code: string): { config: MountConfig; program: string; log: string } {
  const program = join(folder, `${name}.mjs`);
  writeFileSync(program, code);
  const log = join(folder, `${name}.log`);
  const config = mountConfig({
    mountpoint: join(folder, 'mnt'),
    groups: [{ path: 'slow', changes: { limits: { iops: 1000, bps: Infinity } } }],
    logFile: log,
  });
  return { config, program, log };
}

test('returns when the daemon is ready, and the daemon lives on in / with its own session', async (t) => {
  const { config, program, log } = setUp(
    'ready',
    `process.once('message', (config) => {
       const { iops, bps } = config.groups[0].changes.limits;
       const stat = (await import('node:fs')).readFileSync('/proc/self/stat', 'utf8');
       console.log(JSON.stringify({ pid: process.pid, cwd: process.cwd(), limit: 'iops=' + iops + ' bps=' + bps,
         argument: process.argv[2], session: Number(stat.split(') ')[1].split(' ')[3]) }));
       process.send({ kind: 'ready' });
       process.once('disconnect', () => process.exit(0));
     });`.replace('(config) =>', 'async (config) =>'),
  );
  await launch(config, program);
  const told = JSON.parse(readFileSync(log, 'utf8'));
  t.deepEqual(told, {
    pid: told.pid,
    cwd: '/',
    limit: 'iops=1000 bps=Infinity',
    argument: join(folder, 'mnt'),
    session: told.pid,
  });
  // The program ends when its channel is closed, which proves that launch has closed it.
  const daemon = identify(told.pid);
  t.true(daemon === null || (await waitForEnd(daemon, 10_000)));
});

test('the daemon starts before its configuration is there, and ends if there will be none', async (t) => {
  const { config, program, log } = setUp(
    'unprepared',
    `process.once('disconnect', () => process.exit(1));
     console.log(process.pid);`,
  );
  let pid = 0;
  const prepare = async (): Promise<MountConfig> => {
    for (; pid === 0; pid = Number(readFileSync(log, 'utf8'))) await setTimeout(10);
    throw new SluiceError('disk.img: no such file', 'ENOENT', 1);
  };
  const error = await t.throwsAsync(launch(config, program, 20_000, undefined, prepare));
  t.is(error?.message, 'disk.img: no such file');
  const daemon = identify(pid);
  t.true(daemon === null || (await waitForEnd(daemon, 10_000)));
});

test('what the daemon reports is thrown, even if it exits right after', async (t) => {
  const { config, program } = setUp(
    'failed',
    `process.once('message', () => {
       process.send({ kind: 'failed', message: 'disk.img: locked', errno: 'EBUSY', exitCode: 3 },
         () => process.exit(3));
     });`,
  );
  const error = await t.throwsAsync(launch(config, program), {
    instanceOf: SluiceError,
    message: 'disk.img: locked',
  });
  t.is(error?.errno, 'EBUSY');
  t.is(error?.exitCode, 3);
});

test('a daemon that exits without a word is exit code 5 and points to the log', async (t) => {
  const { config, program, log } = setUp('exit', 'process.exit(9);');
  const error = await t.throwsAsync(launch(config, program), {
    instanceOf: SluiceError,
    message: `the daemon ended with code 9 before the mount was ready; see ${log}`,
  });
  t.is(error?.exitCode, 5);
});

test('a daemon that is killed is told by its signal', async (t) => {
  const { config, program, log } = setUp('kill', "process.kill(process.pid, 'SIGKILL');");
  await t.throwsAsync(launch(config, program), {
    message: `the daemon ended by SIGKILL before the mount was ready; see ${log}`,
  });
});

test('a daemon that throws leaves its stack in the log', async (t) => {
  const { config, program, log } = setUp('throw', "throw new Error('broken');");
  await t.throwsAsync(launch(config, program), { instanceOf: SluiceError });
  t.regex(readFileSync(log, 'utf8'), /Error: broken\n {4}at /);
});

test('a daemon that says nothing is killed after the limit', async (t) => {
  const { config, program, log } = setUp('silent', 'setInterval(() => {}, 1000);');
  const error = await t.throwsAsync(launch(config, program, 1500), {
    instanceOf: SluiceError,
    message: `the mount was not ready after 1.5 s and was given up; see ${log}`,
  });
  t.is(error?.errno, 'ETIMEDOUT');
  t.is(error?.exitCode, 5);
  // Whether it had begun to run or not.
  t.true(await eventually(() => processesOf(program).length === 0));
});

test('a log that cannot be opened is told before anything is started', async (t) => {
  const { config, program } = setUp('unused', '');
  const error = await t.throwsAsync(launch({ ...config, logFile: '/proc/nowhere/log' }, program), {
    instanceOf: SluiceError,
    message:
      '/proc/nowhere/log: the log cannot be opened (ENOENT); choose another place with --log FILE',
  });
  t.is(error?.exitCode, 1);
});
