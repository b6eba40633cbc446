import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, isAlive } from '../helpers/proc.js';
import { mountTest } from '../helpers/requires.js';
import { must, sluice } from '../helpers/run.js';
import { startMount } from '../helpers/sluice-mount.js';
import { sparseFile, tempFolder } from '../helpers/temp.js';

const HARMLESS = [
  ...(['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGSTKFLT'] as const),
  ...(['SIGXFSZ', 'SIGPIPE', 'SIGHUP', 'SIGURG', 'SIGWINCH', 'SIGCHLD'] as const),
];

/** SIGRTMIN, SIGRTMIN + 6 and SIGRTMAX. */
const REAL_TIME = [34, 40, 64];

for (const transport of ['uring', 'fuse-native']) {
  mountTest(
    `${transport}: no signal but those that end it opens a port or ends the daemon`,
    async (t) => {
      const image = sparseFile(join(tempFolder(t), 'disk.img'), 1 << 20);
      const mount = await startMount(t, [image], ['--transport', transport]);
      for (const signal of [...HARMLESS, ...REAL_TIME]) process.kill(mount.pid, signal);
      // SIGUSR1 writes the figures of every group to the log.
      t.true(await eventually(() => /: disk rbytes=0 /.test(readFileSync(mount.logPath, 'utf8'))));
      await must('cat', [mount.file()]);
      await mount.checkDescriptors(t);
      t.true(isAlive(mount.pid));
      t.is(readFileSync(`/proc/${mount.pid}/comm`, 'utf8'), 'sluice\n');
      t.like(await mount.umount(), { code: 0, stderr: '' });
      await mount.checkGone(t);
    },
  );
}

mountTest('SIGUSR2 opens the log again after it was moved away', async (t) => {
  const image = sparseFile(join(tempFolder(t), 'disk.img'), 1 << 20);
  const mount = await startMount(t, [image]);
  renameSync(mount.logPath, `${mount.logPath}.old`);
  process.kill(mount.pid, 'SIGUSR2');
  t.true(await eventually(() => existsSync(mount.logPath)));
  t.is((await mount.umount()).code, 0);
  t.regex(readFileSync(mount.logPath, 'utf8'), /: unmounted\n$/);
});

mountTest('options for Node.js do not reach the daemon', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'disk.img'), 1 << 20);
  const mount = await startMount(t, [image], [], {
    ...process.env,
    NODE_OPTIONS: '--title=debugged',
  });
  const environment = readFileSync(`/proc/${mount.pid}/environ`, 'utf8').split('\0');
  t.deepEqual(
    environment.filter((word) => word.startsWith('NODE_OPTIONS=')),
    ['NODE_OPTIONS='],
  );
  t.like(await sluice(['umount', mount.point]), { code: 0, stderr: '' });
});
