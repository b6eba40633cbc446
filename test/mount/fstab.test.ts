import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SLUICE } from '../../tools/lib/program.js';
import { mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { must, run, sluice } from '../helpers/run.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const fstabTest = requires('fuse');

const HELPER = join(dirname(SLUICE), 'mount-helper.js');

fstabTest('a line of fstab is a mount, as mount(8) hands it to its helper', async (t) => {
  const folder = tempFolder(t);
  const image = patternFile(join(folder, 'vm.img'), MIB);
  patternFile(join(folder, 'web.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const file = join(folder, 'vm.yaml');
  writeFileSync(file, 'images: {web: web.img}\n');
  const options = `rw,config=${file},_netdev,nofail,group="gold:bps=10M,weight=80",assign=vm=gold,log=${folder}/log`;
  const helper = (...words: string[]) => run(process.execPath, [HELPER, ...words]);
  const ended = await helper(`vm=${image}`, point, '-n', '-o', options);
  t.deepEqual([ended.code, ended.stderr], [0, '']);
  t.is((await run('cmp', [image, join(point, 'vm.raw')])).code, 0);
  t.true(existsSync(join(point, 'web.raw')));
  t.is(await must('cat', [join(point, '.groups/gold/io.weight')]), 'default 80\n');
  // It is in use now: mount(8) knows 32 for a mount that failed, and 1 for wrong usage.
  const again = await helper(image, point);
  t.is(again.code, 32, again.stderr);
  t.regex(again.stderr, /^mount\.fuse\.sluice: .*\n$/);
  t.is((await helper(image, point, '-o', 'depth=x')).code, 1);
  t.is((await sluice(['umount', point])).code, 0);
  t.is((await helper(image, point, '-f')).code, 0);
  t.deepEqual(mountsAt(point), []);
});
