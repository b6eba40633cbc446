import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OtherUser } from '../helpers/other-user.js';
import { mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const userTest = requires('fuse', 'root', 'io_uring', 'setpriv', 'fusermount3');

userTest(
  'a user without rights mounts through fusermount3, and nobody else looks in',
  async (t) => {
    const folder = tempFolder(t);
    const image = patternFile(join(folder, 'disk.img'), 2 * MIB);
    const point = join(folder, 'mnt');
    mkdirSync(point);
    chmodSync(image, 0o600);
    const log = join(folder, 'log');
    await must('touch', [log]);
    const user = new OtherUser(t, [image, point, log], folder);
    if (!(await user.canRun())) return;
    t.teardown(() => forceAway(point));
    const mounted = await user.sluice('mount', image, point, '--log', log);
    t.is(mounted.code, 0, mounted.stderr);
    const file = join(point, 'disk.raw');
    t.is((await user.run('cmp', image, file)).code, 0);
    const written = await user.run(
      'dd',
      'if=/dev/zero',
      `of=${file}`,
      'bs=1M',
      'conv=notrunc,fsync',
      'count=1',
    );
    t.is(written.code, 0, written.stderr);
    // Without --allow-other not even root has access, so a stuck mount cannot stop other users.
    t.regex((await run('cat', [file])).stderr, /Permission denied/);
    const ended = await user.sluice('umount', point);
    t.is(ended.code, 0, ended.stderr);
    t.deepEqual(mountsAt(point), []);
    t.is((await run('cmp', ['-n', String(MIB), image, '/dev/zero'])).code, 0);
    t.is(statSync(image).size, 2 * MIB);
  },
);

userTest('an umount does not wait long for who holds the mount and cannot be seen', async (t) => {
  const folder = tempFolder(t);
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const log = join(folder, 'log');
  await must('touch', [log]);
  const user = new OtherUser(t, [image, point, log], folder);
  if (!(await user.canRun())) return;
  // Who runs a program that he cannot read cannot look at its process either.
  const cat = join(folder, 'cat');
  copyFileSync((await must('which', ['cat'])).trim(), cat);
  chmodSync(cat, 0o711);
  t.teardown(() => forceAway(point));
  const mounted = await user.sluice('mount', image, point, '--log', log);
  t.is(mounted.code, 0, mounted.stderr);
  const holder = user.start('sh', '-c', 'cd "$0" && exec "$1"', point, cat);
  holder.stdin.write('running');
  await once(holder.stdout, 'data');
  const before = performance.now();
  const refused = await user.sluice('umount', point);
  const tookMs = performance.now() - before;
  t.is(refused.code, 1);
  t.is(refused.stderr, `sluice: umount: ${point}: in use; close it or use --force\n`);
  t.true(tookMs < 8000, `${tookMs} ms`);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const ended = await user.sluice('umount', point);
  t.is(ended.code, 0, ended.stderr);
  t.deepEqual(mountsAt(point), []);
});
