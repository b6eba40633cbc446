import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isPassing, unmount } from '../../src/server/unmount.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountTest } from '../helpers/requires.js';
import { type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

async function mountDisk(t: ExecutionContext): Promise<SluiceMount> {
  return startMount(t, [sparseFile(join(tempFolder(t), 'disk.img'), MIB)]);
}

/** A process that has a file of the mount open for some seconds. @param word On its command line. */
async function hold(t: ExecutionContext, mount: SluiceMount, word: string, seconds: number) {
  const script = `exec 3<"$0"; echo ready; read -t ${seconds}`;
  const words = ['-c', script, join(mount.point, '.groups', 'daemon'), word];
  const holder = spawn('bash', words, { stdio: ['pipe', 'pipe', 'ignore'] });
  t.teardown(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return holder;
}

test('who looks at a mount, ends or is gone does not hold it for long', (t) => {
  t.true(isPassing(['node', '/opt/sluice/dist/server/control-reader.js', '/mnt/s']));
  t.true(isPassing([]));
  t.true(isPassing(null));
  t.false(isPassing(['fio', '--filename=/mnt/s/disk.raw']));
});

mountTest('who only looks at a mount, as sluice list does, is waited for', async (t) => {
  const mount = await mountDisk(t);
  await hold(t, mount, '/x/control-reader.js', 0.5);
  await unmount(mount.point);
  await mount.checkGone(t);
});

mountTest('who uses a mount is named', async (t) => {
  const mount = await mountDisk(t);
  const holder = await hold(t, mount, 'reader', 100);
  const error = await t.throwsAsync(unmount(mount.point), { instanceOf: SluiceError });
  const by = `in use by bash (pid ${holder.pid})`;
  t.is(error?.message, `${mount.point}: ${by}; close it or use --force`);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await unmount(mount.point);
  await mount.checkGone(t);
});
