import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { startMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const restartTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu');

restartTest('a daemon that cannot read an image refuses, and the old one goes on', async (t) => {
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
  const magic = Buffer.alloc(4);
  const file = openSync(image, 'r+');
  readSync(file, magic, 0, 4, 0);
  writeSync(file, Buffer.alloc(4), 0, 4, 0);
  const ended = await warmSluice(['restart', mount.point]);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /^sluice: restart: [^\n]+vm.qcow2: [^\n]+\n$/);
  writeSync(file, magic, 0, 4, 0);
  closeSync(file);
  // The same process serves the same file, and has its locks.
  const { stdout } = await warmSluice(['stat', mount.point, '--json']);
  t.is(JSON.parse(stdout).daemon.pid, mount.pid);
  const locked = await warmSluice(['mount', raw, folder]);
  t.regex(locked.stderr, /in use for writing/);
  // The metadata of this image had been written for the new process, and goes on here.
  await fill(8);
  const kept = join(folder, 'kept');
  await must('cp', [mount.file('vm'), kept]);
  t.is((await mount.umount()).code, 0);
  await must('qemu-img', ['check', '-q', image]);
  await must('qemu-img', ['compare', '-q', image, kept]);
  await mount.checkGone(t, /not restarted|vm.qcow2: /);
});
