import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { killed, restarted, type SluiceMount, startMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, sparseFile, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const keptTest = requires('fuse', 'root', 'io_uring', 'resend', 'qemu');

/** Makes a disk `vm` of 2 MiB in a folder, and tells how to mount it. */
type Kind = (folder: string) => Promise<{ image: string; words?: readonly string[] }>;

async function qemuImage(path: string, ...words: string[]): Promise<string> {
  await must('qemu-img', ['create', '-q', ...words, path, '2M']);
  return path;
}

async function overBase(folder: string): Promise<string> {
  const base = join(folder, 'base.img');
  patternFile(base, 2 * MIB);
  return qemuImage(join(folder, 'vm.qcow2'), '-f', 'qcow2', '-F', 'raw', '-b', 'base.img');
}

/** A base with data, as a disk of VMware in two files, of which one has the data. */
async function flat(folder: string): Promise<string> {
  const raw = patternFile(join(folder, 'vm.raw'), 2 * MIB);
  const path = join(folder, 'vm.vmdk');
  const own = ['-O', 'vmdk', '-o', 'subformat=monolithicFlat'];
  await must('qemu-img', ['convert', '-f', 'raw', ...own, raw, path]);
  return path;
}

const KINDS: Record<string, Kind> = {
  'a raw image': async (folder) => ({ image: patternFile(join(folder, 'vm.img'), 2 * MIB) }),
  'an image that is only read': async (folder) => ({
    image: await overBase(folder),
    words: ['--read-only'],
  }),
  'a backing file': async (folder) => ({ image: await overBase(folder) }),
  'a data file of qcow2': async (folder) => {
    const data = ['-o', `data_file=${join(folder, 'vm.data')},data_file_raw=on`];
    return { image: await qemuImage(join(folder, 'vm.qcow2'), '-f', 'qcow2', ...data) };
  },
  'a data file that the command line allows': async (folder) => {
    const apart = join(folder, 'apart');
    mkdirSync(apart);
    const data = ['-o', `data_file=${join(apart, 'vm.data')}`];
    const image = await qemuImage(join(folder, 'vm.qcow2'), '-f', 'qcow2', ...data);
    return { image, words: ['--data-file', join(apart, 'vm.data')] };
  },
  'a backing file that the command line allows': async (folder) => ({
    image: await overBase(folder),
    words: ['--untrusted', '--backing-file', join(folder, 'base.img')],
  }),
  'a data file of vmdk': async (folder) => ({ image: await flat(folder), words: ['--read-only'] }),
  'an overlay': async (folder) => ({
    image: await overBase(folder),
    words: ['--overlay', join(folder, 'over.qcow2')],
  }),
  'a temporary overlay': async (folder) => ({
    image: await overBase(folder),
    words: ['--overlay', 'discard'],
  }),
};

function content(mount: SluiceMount): Buffer {
  const file = openSync(mount.file('vm'), 'r');
  const bytes = Buffer.alloc(2 * MIB);
  readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  return bytes;
}

/** Reads what there was, and writes more where the mount allows it. */
function check(t: ExecutionContext, mount: SluiceMount, wanted: Buffer, fill: number | null): void {
  t.true(content(mount).equals(wanted));
  if (fill === null) return;
  const file = openSync(mount.file('vm'), 'r+');
  const bytes = Buffer.alloc(64 * 1024, fill);
  writeSync(file, bytes, 0, bytes.length, fill * bytes.length);
  bytes.copy(wanted, fill * bytes.length);
  closeSync(file);
}

for (const [index, [what, make]] of Object.entries(KINDS).entries()) {
  // Every other kind begins with the other one: a daemon that is killed, or one that hands its mount over.
  const [first, second] = index % 2 === 0 ? [killed, restarted] : [restarted, killed];
  keptTest(
    `${what} that is moved, replaced or deleted is served on by the next daemon`,
    async (t) => {
      const above = tempFolder(t, TMPFS);
      const [folder, moved] = [join(above, 'images'), join(above, 'moved')];
      mkdirSync(folder);
      const { image, words = [] } = await make(folder);
      let mount = await startMount(t, [image], ['--keeper', ...words]);
      const wanted = content(mount);
      const fill = (number: number) => (words.includes('--read-only') ? null : number);
      check(t, mount, wanted, fill(1));

      renameSync(folder, moved);
      mount = await first(t, mount);
      check(t, mount, wanted, fill(2));

      // Other files by the same names: none of them may be taken.
      mkdirSync(folder);
      const { image: other } = await make(folder);
      t.is(other, image);
      mount = await second(t, mount);
      check(t, mount, wanted, fill(3));

      rmSync(folder, { recursive: true });
      rmSync(moved, { recursive: true });
      mount = await first(t, mount);
      check(t, mount, wanted, fill(4));
      mount = await second(t, mount);
      check(t, mount, wanted, null);
      const ended = await mount.umount();
      t.is(ended.code, 0, ended.stderr);
      await mount.checkGone(t, / has died$/);
    },
  );
}

keptTest(
  'what is said of an image that was replaced is right in the next daemon, too',
  async (t) => {
    const folder = tempFolder(t, TMPFS);
    const raw = patternFile(join(folder, 'vm.img'), MIB);
    let mount = await startMount(t, [raw], ['--keeper']);
    renameSync(raw, join(folder, 'moved.img'));
    sparseFile(raw, MIB);
    mount = await killed(t, mount);
    const again = await warmSluice(['attach', mount.point, raw]);
    t.regex(again.stderr, /vm.img: was replaced by another file beneath the mount; /);
    const resized = await warmSluice(['resize', mount.point, 'vm']);
    t.regex(resized.stderr, /vm.img: was replaced by another file beneath the mount; /);
    // The new file is nobody's, and the old one is the mount's.
    await must('qemu-io', ['-f', 'raw', '-c', 'write 0 512', raw]);
    const locked = await warmSluice(['mount', join(folder, 'moved.img'), folder]);
    t.regex(locked.stderr, /in use for writing/);
    t.is((await mount.umount()).code, 0);
  },
);

keptTest('a raw image stays raw, whatever a guest writes to it', async (t) => {
  const folder = tempFolder(t, TMPFS);
  const secret = patternFile(join(folder, 'secret'), MIB);
  const raw = sparseFile(join(folder, 'vm.img'), 2 * MIB);
  const base = sparseFile(join(folder, 'base.img'), 2 * MIB);
  const trap = join(folder, 'trap.qcow2');
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', secret, trap]);
  const over = await qemuImage(join(folder, 'over.qcow2'), '-f', 'qcow2', '-F', 'raw', '-b', base);
  let mount = await startMount(t, [raw, over], ['--keeper']);
  const header = readFileSync(trap);
  const file = openSync(mount.file('vm'), 'r+');
  writeSync(file, header, 0, header.length, 0);
  closeSync(file);
  for (const next of [killed, restarted]) {
    mount = await next(t, mount);
    t.is(statSync(mount.file('vm')).size, 2 * MIB);
    t.true(content(mount).subarray(0, header.length).equals(header));
  }
  t.is((await mount.umount()).code, 0);
});
