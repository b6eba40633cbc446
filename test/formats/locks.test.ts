import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { run } from '../helpers/run.js';
import { startMount, withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuMountTest } from './needs.js';

function makeImages(t: ExecutionContext): Maker {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('disk.img', 1 << 20);
  maker.create('base.qcow2', '1M');
  maker.create('top.qcow2', '1M', '', '-b', 'base.qcow2', '-F', 'qcow2');
  mkdirSync(maker.path('mnt'));
  return maker;
}

/** Starts a qemu-io that keeps an image open; resolves once it is open. */
async function holdOpen(
  t: ExecutionContext,
  path: string,
  format: string,
  ...words: string[]
): Promise<number> {
  const child = spawn('qemu-io', ['-f', format, ...words, path], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child.pid!;
}

const WRITE = ['-c', 'write 0 512'];

qemuMountTest('qemu-io refuses to write a raw image that is mounted for writing', async (t) => {
  const image = makeImages(t).path('disk.img');
  await withMount(t, [image], [], async () => {
    const ended = await run('qemu-io', ['-f', 'raw', ...WRITE, image]);
    t.not(ended.code, 0);
    t.regex(ended.stderr, /Failed to get .*lock/);
  });
});

qemuMountTest('what qemu-io writes cannot be mounted; the error names it', async (t) => {
  const maker = makeImages(t);
  const image = maker.path('base.qcow2');
  const pid = await holdOpen(t, image, 'qcow2');
  for (const words of [['--read-only'], []]) {
    const ended = await warmSluice(['mount', image, maker.path('mnt'), ...words]);
    t.is(ended.code, 3);
    t.regex(
      ended.stderr,
      new RegExp(`base\\.qcow2: in use for writing by qemu-io \\(pid ${pid}\\)`),
    );
  }
});

qemuMountTest('a backing file that qemu-io writes holds its overlay back', async (t) => {
  const maker = makeImages(t);
  await holdOpen(t, maker.path('base.qcow2'), 'qcow2');
  const words = [maker.path('top.qcow2'), maker.path('mnt'), '--read-only'];
  const ended = await warmSluice(['mount', ...words]);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /base\.qcow2: in use for writing by qemu-io/);
});

qemuMountTest('qemu-io cannot write the backing file of what is mounted', async (t) => {
  const maker = makeImages(t);
  await withMount(t, [maker.path('top.qcow2')], ['--read-only'], async () => {
    const ended = await run('qemu-io', ['-f', 'qcow2', ...WRITE, maker.path('base.qcow2')]);
    t.not(ended.code, 0);
    t.regex(ended.stderr, /Failed to get .*lock/);
  });
});

qemuMountTest('readers share: two mounts and qemu-img read one image', async (t) => {
  const maker = makeImages(t);
  const image = maker.path('top.qcow2');
  const first = await startMount(t, [image], ['--read-only']);
  const second = await startMount(t, [image], ['--read-only']);
  t.is((await run('qemu-img', ['check', '-f', 'qcow2', image])).code, 0);
  for (const mount of [first, second]) t.is((await mount.umount()).code, 0);
});

qemuMountTest(
  'an image that sluice writes cannot be mounted again; the error names sluice',
  async (t) => {
    const maker = makeImages(t);
    const image = maker.path('disk.img');
    await withMount(t, [image], [], async (mount) => {
      const ended = await warmSluice(['mount', image, maker.path('mnt')]);
      t.is(ended.code, 3);
      t.true(ended.stderr.includes(`disk.img: in use for writing by sluice (pid ${mount.pid})`));
    });
  },
);

qemuMountTest('the data file of an image that is mounted is locked as the image is', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M', 'data_file=@/data.bin');
  const image = maker.path('top.qcow2');
  mkdirSync(maker.path('mnt'));
  await withMount(t, [image], [], async () => {
    const ended = await run('qemu-io', ['-f', 'raw', ...WRITE, maker.path('data.bin')]);
    t.not(ended.code, 0);
    t.regex(ended.stderr, /Failed to get .*lock/);
  });
  await holdOpen(t, maker.path('data.bin'), 'raw');
  const ended = await warmSluice(['mount', image, maker.path('mnt')]);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /data\.bin: in use for writing by qemu-io/);
});

qemuMountTest('an image that names itself as its data file is refused', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M', 'data_file=@/nam.qcow2');
  const image = maker.path('top.qcow2');
  maker.patch('top.qcow2', Buffer.from('nam.qcow2'), Buffer.from('top.qcow2'));
  mkdirSync(maker.path('mnt'));
  const ended = await warmSluice(['mount', image, maker.path('mnt')]);
  t.is(ended.code, 3);
  t.regex(ended.stderr, /top\.qcow2: its external data file is the image itself/);
});
