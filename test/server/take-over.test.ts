import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { startMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const restartTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu');

restartTest('a daemon that finds another file refuses, and the old one goes on', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const raw = patternFile(join(folder, 'raw.img'), MIB);
  const image = join(folder, 'vm.qcow2');
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', image, '64M']);
  const mount = await startMount(t, [raw, image]);
  const fill = (mib: number) =>
    must('dd', [
      'if=/dev/urandom',
      `of=${mount.file('vm')}`,
      'bs=1M',
      `count=${mib}`,
      'conv=notrunc',
    ]);
  await fill(2);
  renameSync(raw, join(folder, 'moved.img'));
  sparseFile(raw, MIB);
  const ended = await warmSluice(['restart', mount.point]);
  t.is(ended.code, 1);
  t.is(
    ended.stderr,
    `sluice: restart: ${raw}: leads to another file than the mount has open; move it back\n`,
  );
  // The same process serves the same file, and has its locks.
  await must('cmp', [mount.file('raw'), join(folder, 'moved.img')]);
  const { stdout } = await warmSluice(['stat', mount.point, '--json']);
  t.is(JSON.parse(stdout).daemon.pid, mount.pid);
  const locked = await warmSluice(['mount', join(folder, 'moved.img'), folder]);
  t.regex(locked.stderr, /in use for writing/);
  renameSync(join(folder, 'moved.img'), raw);
  // The metadata of this image had been written for the new process, and goes on here.
  await fill(8);
  const kept = join(folder, 'kept');
  await must('cp', [mount.file('vm'), kept]);
  t.is((await mount.umount()).code, 0);
  await must('qemu-img', ['check', '-q', image]);
  await must('qemu-img', ['compare', '-q', image, kept]);
  await mount.checkGone(t, /not restarted|leads to another file/);
});
