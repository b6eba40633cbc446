import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fioWords } from '../helpers/fio.js';
import { untilQueued } from '../helpers/group-files.js';
import { ownNamespace } from '../helpers/namespace.js';
import { eventually } from '../helpers/proc.js';
import { mountTest, requires } from '../helpers/requires.js';
import { Child, must, run, sluiceWords } from '../helpers/run.js';
import { startMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const PARAMETER = '/sys/module/fuse/parameters/enable_uring';
const ringTest = requires('fuse', 'root', 'io_uring', 'fuse-uring', 'fio');

mountTest('where FUSE over io_uring is turned off, a mount by it is refused', async (t) => {
  const folder = tempFolder(t);
  const off = join(folder, 'off');
  writeFileSync(off, 'N\n');
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const words = sluiceWords('mount', image, folder, '--transport', 'fuse-uring');
  const line = `mount --bind ${off} ${PARAMETER} && exec "$@"`;
  const shell = ['sh', '-c', line, 'sh', process.execPath, ...words];
  const { code, stderr } = await run('unshare', ownNamespace(shell));
  t.is(code, 4);
  t.is(
    stderr,
    `sluice: mount: FUSE over io_uring is turned off; as root, run \`echo Y > ${PARAMETER}\`\n`,
  );
});

ringTest('however many asynchronous requests wait, control files answer', async (t) => {
  const image = patternFile(join(tempFolder(t), 'disk.img'), 16 * MIB);
  const words = ['--transport', 'fuse-uring', '--group', 'slow:bps=1', '--assign', 'disk=slow'];
  const mount = await startMount(t, [image], words);
  // More than any queue has entries, all by one.
  const depth = ['iodepth=3000', 'iodepth_batch_submit=3000', 'cpus_allowed=0'];
  const reads = ['rw=randread', 'bs=4k', 'size=16m', 'number_ios=4000'];
  const readers = new Child('fio', fioWords(mount.file(), ...reads, ...depth));
  t.teardown(() => void readers.process.kill('SIGKILL'));
  await untilQueued(mount, 'slow', 100);
  const group = join(mount.point, '.groups/slow');
  for (let i = 0; i < 10; i++) await must('taskset', ['-c', '0', 'cat', join(group, 'io.stat')]);
  await must('taskset', ['-c', '0', 'sh', '-c', `echo bps=max > ${group}/io.max`]);
  t.true(await eventually(() => readers.process.exitCode === 0), 'they are served in the end');
  t.like(await mount.umount(), { code: 0, stderr: '' });
  await mount.checkGone(t);
});
