import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { qemuMountTest, qemuTest } from '../formats/needs.js';
import { Control } from '../helpers/control.js';
import { Child, must, run, sluice, sluiceWords } from '../helpers/run.js';
import { type SluiceMount, startMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const ENOSPC = { code: 'ENOSPC' };

/** The first byte of a disk and of its second MiB. */
function look(path: string): number[] {
  const bytes = readFileSync(path);
  return [bytes[0]!, bytes[MIB]!];
}

/** Writes a MiB and waits until it is on the disk. */
async function fill(path: string, value: number, mib: number): Promise<void> {
  const octal = value.toString(8);
  const text = `head -c ${MIB} /dev/zero | tr '\\0' '\\${octal}'`;
  const dd = `dd of=${path} bs=1M seek=${mib} conv=notrunc,fsync iflag=fullblock status=none`;
  await must('sh', ['-c', `${text} | ${dd}`]);
}

for (const transport of ['uring', 'fuse-native']) {
  qemuMountTest(
    `${transport}: an overlay is committed and reset while other images are used`,
    async (t) => {
      const maker = new Maker(tempFolder(t, TMPFS));
      maker.raw('disk.img', 2 * MIB);
      maker.raw('other.img', MIB);
      const [base, over] = [maker.path('disk.img'), maker.path('over.qcow2')];
      const words = ['--transport', transport, '--group', 'gold', '--assign', 'disk=gold'];
      await withMount(t, [base], [...words, '--overlay', over], async (mount) => {
        t.is((await warmSluice(['attach', mount.point, maker.path('other.img')])).code, 0);
        const overlay = (...rest: string[]) => warmSluice(['overlay', ...rest]);
        await fill(mount.file(), 1, 0);
        const open = openSync(mount.file(), 'r');
        const other = openSync(mount.file('other'), 'r+');
        const busy = await overlay('commit', mount.point, 'disk');
        closeSync(open);
        t.is(busy.stderr, 'sluice: overlay: disk.raw is open; close it\n');
        t.is(busy.code, 1);
        t.deepEqual(look(base), [0, 0]);
        const done = await overlay('commit', mount.point, 'disk');
        t.is(done.stderr, '');
        t.is(done.code, 0);
        t.deepEqual(look(base), [1, 0]);
        t.deepEqual(look(mount.file()), [1, 0]);
        t.is(await new Control(mount).read('gold/members'), 'disk\n');
        await fill(mount.file(), 2, 1);
        t.is((await overlay('reset', mount.point, 'disk')).code, 0);
        t.deepEqual(look(mount.file()), [1, 0]);
        t.deepEqual(look(base), [1, 0]);
        t.is(writeSync(other, 'x'), 1);
        closeSync(other);
        const none = await overlay('reset', mount.point, 'other');
        t.regex(none.stderr, /other\.img: it is no overlay: no qcow2 image over another one/);
        t.is(none.code, 3);
        t.deepEqual(readdirSync(mount.point).sort(), ['.groups', 'disk.raw', 'other.raw']);
        t.is((await overlay('commit', mount.point, 'none')).code, 2);
        const nameless = await overlay('commit', mount.point);
        t.regex(
          nameless.stderr,
          /: sluice is mounted there; name the image: sluice overlay commit /,
        );
        t.is(nameless.code, 2);
        t.is((await warmSluice(['detach', mount.point, 'other'])).code, 0);
      });
      t.deepEqual(readdirSync(maker.folder).sort(), ['disk.img', 'other.img', 'over.qcow2']);
      maker.img('check', 'over.qcow2');
    },
  );
}

qemuMountTest(
  'temporary overlays: one image twice; nothing is kept, and no folder has them',
  async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    maker.raw('disk.img', 2 * MIB);
    const image = maker.path('disk.img');
    const temporary = maker.path('tmp');
    mkdirSync(temporary);
    const env = { ...process.env, TMPDIR: temporary };
    const words = ['--overlay=discard', '--group', 'gold', '--assign', 'two=gold'];
    const mount = await startMount(t, [`one=${image}`, `two=${image}`], words, env);
    await fill(mount.file('one'), 1, 0);
    await fill(mount.file('two'), 2, 0);
    t.deepEqual([look(mount.file('one'))[0], look(mount.file('two'))[0]], [1, 2]);
    t.deepEqual(look(image), [0, 0]);
    t.deepEqual(readdirSync(temporary), []);
    const late = await sluice(['attach', mount.point, `late=${image}`, '--overlay', 'discard']);
    t.is(late.stderr, '');
    await fill(mount.file('late'), 3, 1);
    t.is((await sluice(['detach', mount.point, 'late'])).code, 0);
    const again = await sluice(['attach', mount.point, `one=${image}`, '--overlay', 'discard']);
    t.regex(again.stderr, /the name "one" is taken by .*disk\.img/);
    const kept = await sluice(['overlay', 'commit', mount.point, 'two']);
    t.regex(kept.stderr, /two: its overlay is a temporary one; --overlay FILE keeps/);
    t.is((await sluice(['overlay', 'reset', mount.point, 'two'])).code, 0);
    t.deepEqual([look(mount.file('one'))[0], look(mount.file('two'))[0]], [1, 0]);
    t.is(await new Control(mount).read('gold/members'), 'two\n');
    const saved = await sluice(['save', mount.point]);
    t.is([...saved.stdout.matchAll(/^ +overlay: discard$/gm)].length, 2);
    t.is((await sluice(['resize', mount.point, 'one', '4M'])).code, 0);
    t.is(readFileSync(mount.file('one')).length, 4 * MIB);
    process.kill(mount.pid, 'SIGKILL');
    t.deepEqual(readdirSync(temporary), []);
    await must('umount', ['-l', mount.point]);
    t.deepEqual(look(image), [0, 0]);
  },
);

qemuMountTest('an image with a file that has lost its name stays where it is', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  for (const name of ['a.img', 'b.img']) maker.raw(name, MIB);
  const [a, b] = [maker.path('a.img'), maker.path('b.img')];
  const mount = await startMount(t, [`lab=${a}`], ['--overlay', 'discard']);
  const attach = ['attach', mount.point, `vm=${b}`, '--overlay', maker.path('over.qcow2')];
  t.is((await warmSluice(attach)).code, 0);
  await fill(mount.file('vm'), 7, 0);
  rmSync(a);
  renameSync(b, maker.path('c.img'));
  maker.raw('b.img', MIB);
  for (const [name, action, says] of [
    ['lab', 'reset', /a\.img: was deleted beneath the mount/],
    ['vm', 'commit', /b\.img: was replaced by another file beneath the mount/],
  ] as const) {
    const ended = await warmSluice(['overlay', action, mount.point, name]);
    t.is(ended.code, 1);
    t.regex(ended.stderr, says);
    t.is(look(mount.file(name))[0], name === 'vm' ? 7 : 0);
  }
  t.is((await mount.umount()).code, 0);
});

qemuMountTest('who may not read an image may not read it through an overlay', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  const bits = (path: string): number => statSync(path).mode & 0o777;
  const names = [0o600, 0o640, 0o444, 0o644].map((mode) => {
    const name = mode.toString(8);
    maker.raw(`${name}.img`, MIB);
    chmodSync(maker.path(`${name}.img`), mode);
    return name;
  });
  const images = names.map((name) => maker.path(`${name}.img`));
  const mount = await startMount(t, images, ['--overlay', 'discard', '--allow-other']);
  for (const name of names) {
    const over = maker.path(`${name}.qcow2`);
    const image = `kept-${name}=${maker.path(`${name}.img`)}`;
    t.is((await warmSluice(['attach', mount.point, image, '--overlay', over])).code, 0);
    const wanted = Number.parseInt(name, 8) | 0o600;
    const seen = [mount.file(name), mount.file(`kept-${name}`), over].map(bits);
    t.deepEqual(seen, [wanted, wanted, wanted], name);
  }
  t.is((await mount.umount()).code, 0);
});

/** A file system in memory of so many MiB. */
async function smallFolder(t: ExecutionContext, mib: number): Promise<string> {
  const folder = join(tempFolder(t), 'small');
  mkdirSync(folder);
  await must('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder]);
  t.teardown(() => run('umount', ['-l', folder]));
  return folder;
}

qemuMountTest('a temporary overlay that is full fails the write, and nothing else', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('disk.img', 16 * MIB);
  const image = maker.path('disk.img');
  const folder = await smallFolder(t, 4);
  const env = { ...process.env, TMPDIR: folder };
  const mount: SluiceMount = await startMount(t, [image], ['--overlay', 'discard'], env);
  await fill(mount.file(), 1, 0);
  const file = openSync(mount.file(), 'r+');
  t.throws(() => {
    for (let mib = 1; mib < 16; mib++) writeSync(file, Buffer.alloc(MIB, 5), 0, MIB, mib * MIB);
  }, ENOSPC);
  closeSync(file);
  t.is(look(mount.file())[0], 1);
  await fill(mount.file(), 2, 0);
  t.is(look(mount.file())[0], 2);
  const ended = await mount.umount();
  t.is(ended.code, 0, ended.stderr);
  await mount.checkGone(t, /no space is left/);
  const full = { ...process.env, TMPDIR: '/proc' };
  const refused = await sluice(['mount', image, mount.point, '--overlay=discard'], { env: full });
  const itself = await sluice(['mount', image, mount.point, '--overlay', image]);
  t.regex(itself.stderr, /disk\.img: is the image itself; name another file as its overlay\n$/);
  const remote = await sluice(['overlay', 'commit', 'nbd://host/disk']);
  t.regex(remote.stderr, /^sluice: overlay: nbd:\/\/host\/disk: an overlay is a file of this mach/);
  t.regex(
    refused.stderr,
    /^sluice: mount: \/proc: no place for a temporary overlay: .*; TMPDIR names another folder\n$/,
  );
});

qemuTest('a commit that is killed at any moment loses nothing, and is started again', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('base.qcow2', '96M');
  maker.create('over.qcow2', '96M', '', '-b', 'base.qcow2', '-F', 'qcow2');
  maker.io('over.qcow2', 'qcow2', 'write -P 7 0 40M', 'write -z 40M 8M', 'write -P 8 60M 30M');
  maker.img('convert', '-O', 'raw', 'over.qcow2', 'model');
  let kills = 0;
  // Each operation has a test of its own: see change-overlay.test.ts.
  for (let ms = 50; ; ms *= 1.7) {
    const child = new Child(
      process.execPath,
      sluiceWords('overlay', 'commit', maker.path('over.qcow2')),
    );
    const timer = setTimeout(() => child.process.kill('SIGKILL'), ms);
    const { signal, code, stderr } = await child.ended;
    clearTimeout(timer);
    maker.img('compare', '-f', 'raw', '-F', 'qcow2', 'model', 'over.qcow2');
    maker.img('check', 'over.qcow2');
    if (signal === null) {
      t.is(code, 0, stderr);
      break;
    }
    kills++;
  }
  t.log(`${kills} kills`);
  maker.img('compare', '-f', 'raw', '-F', 'qcow2', 'model', 'base.qcow2');
  t.is(readFileSync(maker.path('over.qcow2')).length, 4 << 16);
});
