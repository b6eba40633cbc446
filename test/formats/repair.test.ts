import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { must } from '../helpers/run.js';
import { forceAway, startMount, withMount } from '../helpers/sluice-mount.js';
import { patternFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { checkWhenReleased } from './check-when-released.js';
import { qemuMountTest } from './needs.js';

const DIRTY_BYTE = 79;

/** Writes with a QEMU that dies before it closes the image. */
function abortAfter(maker: Maker, ...commands: string[]): void {
  const words = [...commands, 'abort'].flatMap((command) => ['-c', command]);
  spawnSync('qemu-io', ['-f', 'qcow2', ...words, 'top.qcow2'], { cwd: maker.folder });
}

/** An image of 16 MiB with lazy refcounts, under a name of its own. */
function makeLazy(t: ExecutionContext, options: string, index: number) {
  const maker = new Maker(tempFolder(t, TMPFS));
  const image = maker.path('top.qcow2');
  maker.create('top.qcow2', '16M', `lazy_refcounts=on${options === '' ? '' : `,${options}`}`);
  const dirty = (): number => readFileSync(image)[DIRTY_BYTE]! & 1;
  return { options, maker, image, name: `v${index}`, model: maker.path('model'), dirty };
}

const named = (all: readonly { name: string; image: string }[]): string[] =>
  all.map(({ name, image }) => `${name}=${image}`);

/** Copies MiBs of a file to the same place of another one. */
async function copy(from: string, to: string, first: number, count: number): Promise<void> {
  const words = [`skip=${first}`, `seek=${first}`, `count=${count}`, 'bs=1M', 'status=none'];
  await must('dd', [`if=${from}`, `of=${to}`, ...words, 'conv=notrunc,fsync']);
}

qemuMountTest('images that QEMU left dirty are repaired and written', async (t) => {
  const all = ['', 'cluster_size=512', 'cluster_size=2M', 'extended_l2=on'].map((options, i) =>
    makeLazy(t, options, i),
  );
  for (const { maker, image, model, dirty } of all) {
    maker.io('top.qcow2', 'qcow2', 'write -P 1 0 1M');
    abortAfter(maker, 'write -P 2 1M 2M', 'flush', 'write -P 3 8M 1M', 'flush');
    t.is(dirty(), 1);
    await must('qemu-img', ['convert', '-U', '-f', 'qcow2', '-O', 'raw', image, model]);
    copyFileSync(image, maker.path('copy'));
  }
  await withMount(t, named(all), ['--read-only'], async (mount) => {
    for (const { name, model } of all) await must('cmp', [model, mount.file(name)]);
  });
  for (const { image, maker } of all) await must('cmp', [image, maker.path('copy')]);
  await withMount(t, named(all), [], async (mount) => {
    for (const { name, model } of all) {
      await must('cmp', [model, mount.file(name)]);
      const words = ['if=/dev/urandom', `of=${model}`, 'bs=1M', 'count=1', 'seek=12'];
      await must('dd', [...words, 'conv=notrunc', 'status=none']);
      await copy(model, mount.file(name), 12, 1);
      await must('cmp', [model, mount.file(name)]);
    }
  });
  for (const { options, image, model, dirty } of all) {
    t.is(dirty(), 0, options);
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
  }
});

qemuMountTest('a dirty image with snapshots: what they show stays as it was', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const image = maker.path('top.qcow2');
  maker.create('top.qcow2', '16M', 'lazy_refcounts=on');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 4M');
  maker.img('snapshot', '-c', 'before', 'top.qcow2');
  abortAfter(maker, 'write -P 2 1M 2M', 'flush');
  const shown = ['-f', 'qcow2', '-O', 'raw', '-l', 'snapshot.name=before', image];
  const mount = await startMount(t, [image]);
  const words = [
    'if=/dev/zero',
    `of=${mount.file('top')}`,
    'bs=1M',
    'count=4',
    'conv=notrunc,fsync',
  ];
  await must('dd', [...words, 'status=none']);
  t.is((await mount.umount()).code, 0);
  t.regex(mount.log, /top\.qcow2: was not closed; its refcounts are rebuilt/);
  await must('qemu-img', ['check', '-f', 'qcow2', image]);
  await must('qemu-img', ['convert', ...shown, maker.path('before')]);
  const bytes = readFileSync(maker.path('before'));
  t.true(bytes.subarray(0, 4 << 20).every((byte) => byte === 1));
  t.true(bytes.subarray(4 << 20).every((byte) => byte === 0));
});

qemuMountTest('a dirty image whose metadata overlaps is refused and left as it is', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const image = maker.path('top.qcow2');
  maker.create('top.qcow2', '1M', 'lazy_refcounts=on');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 0 1M');
  const l2 = Number(readFileSync(image).readBigUInt64BE(0x30000) & 0xffff_fffe00n);
  // The first cluster of data overlaps the refcount table.
  const entry = Buffer.from('8000000000010000', 'hex');
  for (const [i, byte] of entry.entries()) maker.poke('top.qcow2', l2 + i, byte);
  maker.poke('top.qcow2', DIRTY_BYTE, 1);
  copyFileSync(image, maker.path('copy'));
  mkdirSync(maker.path('mnt'));
  const ended = await warmSluice(['mount', image, maker.path('mnt')]);
  t.is(ended.code, 3);
  t.is(
    ended.stderr,
    `sluice: mount: ${image}: marked as dirty, and cannot be repaired: its metadata overlaps at 65536\n`,
  );
  await must('cmp', [image, maker.path('copy')]);
});

qemuMountTest('lazy refcounts: marked while written, right when closed', async (t) => {
  const all = ['', 'cluster_size=512', 'extended_l2=on'].map((options, i) => {
    const made = makeLazy(t, options, i);
    patternFile(made.model, 16 << 20);
    return made;
  });
  await withMount(t, named(all), [], async (mount) => {
    for (const { options, name, model, dirty } of all) {
      t.is(dirty(), 0, `not before anything changes: ${options}`);
      await copy(model, mount.file(name), 0, 2);
      t.is(dirty(), 1, options);
    }
  });
  for (const { options, image, dirty } of all) {
    t.is(dirty(), 0, options);
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
  }
  // The next daemon is killed, and the one after it repairs the images.
  const killed = await startMount(t, named(all));
  for (const { name, model } of all) await copy(model, killed.file(name), 2, 6);
  process.kill(killed.pid, 'SIGKILL');
  await forceAway(killed.point);
  for (const { options, image, dirty } of all) {
    t.is(dirty(), 1, options);
    t.not((await checkWhenReleased(image)).code, 0, `its refcounts are stale: ${options}`);
  }
  await withMount(t, named(all), [], async (mount) => {
    for (const { name, model } of all) {
      await must('cmp', ['-n', String(8 << 20), model, mount.file(name)]);
      await copy(model, mount.file(name), 8, 8);
    }
  });
  for (const { options, image, model, dirty } of all) {
    t.is(dirty(), 0, options);
    await must('qemu-img', ['check', '-f', 'qcow2', image]);
    await must('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', model, image]);
  }
});
