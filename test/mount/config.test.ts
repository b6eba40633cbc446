import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Control } from '../helpers/control.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

const configTest = requires('fuse', 'qemu');

/** A folder with images and a configuration file. */
function setUp(t: Parameters<typeof tempFolder>[0], text: string) {
  const folder = tempFolder(t);
  for (const name of ['web', 'db', 'vm']) patternFile(join(folder, `${name}.img`), MIB);
  const file = join(folder, 'vm.yaml');
  writeFileSync(file, text);
  return { folder, file };
}

configTest('a file is a mount: images with options of their own, groups and members', async (t) => {
  const { folder, file } = setUp(
    t,
    `
images:
  web: web.img
  db: {path: db.img, read-only: true}
  vm: {path: vm.img, overlay: over.qcow2}
groups:
  /: {depth: 16}
  gold: {weight: 80, bps: 10M, members: [web, uid:1000]}
  team/build: {riops: 1000}
options: {mode: 0640}
`,
  );
  await withMount(t, [], ['--config', file, '--depth', '32'], async (mount) => {
    const control = new Control(mount);
    t.is(await control.read('io.depth'), '32\n');
    t.is(await control.read('gold/io.weight'), 'default 80\n');
    t.is(await control.read('gold/members'), 'web\nuid:1000\n');
    t.regex(await control.read('team/build/io.max'), /riops=1000 /);
    t.is(statSync(mount.file('web')).mode & 0o777, 0o640);
    t.is(statSync(mount.file('db')).mode & 0o777, 0o440);
    const before = readFileSync(join(folder, 'vm.img'));
    const into = [`of=${mount.file('vm')}`, 'bs=4k', 'count=1', 'conv=notrunc,fsync'];
    await must('dd', ['if=/dev/zero', ...into]);
    t.deepEqual(readFileSync(join(folder, 'vm.img')), before, 'the image below is not written');
    t.true(existsSync(join(folder, 'over.qcow2')));
  });
});

configTest('a fault is told with its place, and nothing is mounted or made', async (t) => {
  const text = 'images:\n  vm: {path: vm.img, overlay: o.qcow2}\ngroups:\n  gold:\n    bps: 10X\n';
  const { folder, file } = setUp(t, text);
  const place = `${file}:5:10: groups: gold: bps=10X: `;
  const wrong = 'expected a number of bytes per second such as 512K or 10M, or max\n';
  const mounted = await warmSluice(['mount', '--config', file, folder]);
  t.deepEqual([mounted.code, mounted.stderr], [2, `sluice: mount: ${place}${wrong}`]);
  const checked = await warmSluice(['config', 'check', file]);
  t.deepEqual([checked.code, checked.stderr], [2, `sluice: config: ${place}${wrong}`]);
  t.false(existsSync(join(folder, 'o.qcow2')));
});

configTest('a check of a sound file says nothing, but for images that are not there', async (t) => {
  const { folder, file } = setUp(t, 'images: {web: web.img}');
  const fine = await warmSluice(['config', 'check', file]);
  t.deepEqual([fine.code, fine.stdout, fine.stderr], [0, '', '']);
  writeFileSync(file, 'images: {web: wbe.img}');
  const warned = await warmSluice(['config', 'check', file]);
  const missing = `sluice: config: web: ${folder}/wbe.img: no such file\n`;
  t.deepEqual([warned.code, warned.stderr], [0, missing]);
  for (const words of [
    ['config', 'check'],
    ['config', 'chekc', file],
    ['config', 'schema', file],
  ]) {
    t.is((await warmSluice(words)).code, 2, words.join(' '));
  }
});
