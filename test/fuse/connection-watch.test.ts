import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { ConnectionWatch } from '../../src/fuse/connection-watch.js';
import { EFD_NONBLOCK } from '../../src/sys/constants.js';
import { newEventfd } from '../../src/sys/eventfd.js';
import { tempFolder } from '../helpers/temp.js';

const QUIET_MS = 100;

/** A watch of a pipe: like /dev/fuse it reports POLLERR when the other side is gone. */
function watched(t: ExecutionContext) {
  const path = join(tempFolder(t), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  let told = 0;
  let tell = (): void => {};
  const gone = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const count = (): void => {
    told++;
    tell();
  };
  const watch = new ConnectionWatch(writer, newEventfd(EFD_NONBLOCK), count, QUIET_MS);
  t.teardown(() => {
    watch.stop();
    closeSync(writer);
  });
  return { watch, gone, cut: () => closeSync(reader), told: () => told };
}

async function asleep(watch: ConnectionWatch, wanted: boolean): Promise<void> {
  while (watch.isAsleep !== wanted) await delay(5);
}

test('a cut is told once, to a watch that is awake', async (t) => {
  const { watch, gone, cut, told } = watched(t);
  t.false(watch.isAsleep);
  cut();
  await gone;
  await delay(2 * QUIET_MS);
  t.is(told(), 1);
});

test('a watch without requests goes to sleep, and a cut wakes it', async (t) => {
  const { watch, gone, cut } = watched(t);
  await asleep(watch, true);
  cut();
  await gone;
  t.false(watch.isAsleep);
});

test('requests keep it awake, and wake it', async (t) => {
  const { watch, gone, cut } = watched(t);
  for (let time = 0; time < 3 * QUIET_MS; time += 10) {
    watch.busy();
    t.false(watch.isAsleep);
    await delay(10);
  }
  await asleep(watch, true);
  watch.busy();
  watch.busy();
  await asleep(watch, false);
  // It sleeps again, and does not take the old call for a new one.
  await asleep(watch, true);
  await delay(QUIET_MS);
  t.true(watch.isAsleep);
  cut();
  await gone;
});

test('a watch that sleeps is stopped, and the process can end', (t) => {
  const url = (name: string) => JSON.stringify(new URL(`../../src/${name}.js`, import.meta.url));
  const program = `import { ConnectionWatch } from ${url('fuse/connection-watch')};
    import { newEventfd } from ${url('sys/eventfd')};
    import { openSync } from 'node:fs';
    const alarm = newEventfd(${EFD_NONBLOCK});
    const watch = new ConnectionWatch(openSync('/dev/zero', 'r'), alarm, () => {}, 50);
    const timer = setInterval(() => {
      if (!watch.isAsleep) return;
      clearInterval(timer);
      if (process.argv[1] === 'exit') process.exit(7);
      watch.stop();
    }, 5);`;
  const run = (word: string) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', program, word], {
      timeout: 20_000,
    });
  t.notThrows(() => run('stop'));
  t.is(t.throws<Error & { status: number }>(() => run('exit'))?.status, 7);
});
