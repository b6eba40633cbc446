import { constants, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from '../helpers/control.js';
import { FileAgent } from '../helpers/file-agent.js';
import { eventually } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { run } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const reloadTest = requires('fuse', 'io_uring');

const FIRST = `
images: {web: web.img, db: {path: db.img, read-only: true}}
groups:
  gold: {weight: 80, bps: 10M, members: [web, uid:4242]}
  old: {}
`;

const SECOND = `
images: {web: web.img, vm: vm.img}
groups:
  gold: {weight: 70, members: [web]}
  team/build: {riops: 1000, members: [vm, uid:4242]}
`;

/** Over fuse-native the kernel knows a name for up to a second after it has gone. */
const isGone = (path: string): Promise<boolean> => eventually(() => !existsSync(path));

for (const transport of ['uring', 'fuse-native'] as const) {
  // Without rules about callers, which fuse-native does not have.
  const ofTransport = (text: string): string =>
    transport === 'uring' ? text : text.replace(', uid:4242', '');

  reloadTest(`${transport}: the difference is made, and nothing else is touched`, async (t) => {
    const folder = tempFolder(t);
    for (const name of ['web', 'db', 'vm']) patternFile(join(folder, `${name}.img`), MIB);
    const file = join(folder, 'vm.yaml');
    writeFileSync(file, ofTransport(FIRST));
    await withMount(t, [], ['--config', file, '--transport', transport], async (mount) => {
      const control = new Control(mount);
      const reload = () => warmSluice(['reload', mount.point]);
      // Set by hand; the file says nothing of it, before and after.
      await control.must('echo wiops=77 > gold/io.max');
      const user = new FileAgent(t);
      const web = await user.open(mount.file('web'), constants.O_RDWR);
      t.true(web >= 0);
      writeFileSync(file, ofTransport(SECOND));
      const ended = await reload();
      t.deepEqual([ended.code, ended.stderr], [0, '']);
      t.is(await control.read('gold/io.weight'), 'default 70\n');
      t.regex(await control.read('gold/io.max'), / bps=max .*wiops=77 /);
      t.is(await control.read('gold/members'), 'web\n');
      const rule = transport === 'uring' ? 'uid:4242\n' : '';
      t.is(await control.read('team/build/members'), `vm\n${rule}`);
      t.is((await run('cmp', [join(folder, 'vm.img'), mount.file('vm')])).code, 0);
      t.true(await isGone(mount.file('db')));
      t.true(await isGone(join(mount.point, '.groups', 'old')));

      // A file with a fault changes nothing.
      writeFileSync(file, `${ofTransport(SECOND)}  gold: {}\n`);
      const faulty = await reload();
      const place = `${file}:${ofTransport(SECOND).split('\n').length}:3`;
      t.deepEqual(
        [faulty.code, faulty.stderr],
        [2, `sluice: reload: ${place}: map keys must be unique\n`],
      );
      writeFileSync(file, `${ofTransport(SECOND)}options: {cache: page}\n`);
      const fixed = await reload();
      t.regex(
        fixed.stderr,
        /^sluice: reload: .*: cache: cannot change while the files are mounted/,
      );
      t.is(fixed.code, 2);

      // An image that is open stays, and goes with the next reload.
      writeFileSync(file, 'images: {vm: vm.img}\n');
      const busy = await reload();
      t.regex(
        busy.stderr,
        /web.raw is open; close it, and reload again; all else of .* is as it says\n$/,
      );
      t.is(busy.code, 1);
      t.true(await isGone(join(mount.point, '.groups', 'gold')));
      t.true(existsSync(mount.file('web')));
      await user.result({ call: 'close', fd: web });
      process.kill(mount.pid, 'SIGHUP');
      t.true(await isGone(mount.file('web')));
      t.true(await eventually(() => / again: .*; that were to go: web$/m.test(mount.log)));
      writeFileSync(file, ofTransport(FIRST));
      t.is((await reload()).code, 0);
      t.is(await control.read('gold/io.weight'), 'default 80\n');
    });
  });
}

reloadTest(
  'the command line wins with a reload too; without a file there is nothing to reload',
  async (t) => {
    const folder = tempFolder(t);
    patternFile(join(folder, 'web.img'), MIB);
    const file = join(folder, 'vm.yaml');
    writeFileSync(file, 'images: {web: web.img}');
    await withMount(t, [], ['--config', file, '--depth', '32'], async (mount) => {
      writeFileSync(file, 'images: {web: web.img}\noptions: {depth: 16}');
      const ended = await warmSluice(['reload', mount.point]);
      const said = `sluice: reload: --depth 32 wins over depth: 16 in ${file}\n`;
      t.deepEqual([ended.code, ended.stderr], [0, said]);
      t.is(await new Control(mount).read('io.depth'), '32\n');
    });
    await withMount(t, [join(folder, 'web.img')], [], async (mount) => {
      const ended = await warmSluice(['reload', mount.point]);
      t.regex(ended.stderr, /the mount was made without --config/);
      t.is(ended.code, 2);
    });
  },
);
