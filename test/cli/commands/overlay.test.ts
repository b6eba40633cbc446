import test from 'ava';
import { Maker } from '../../../tools/lib/image-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';
import { warmSluice } from '../../helpers/warm.js';

test('what is no action, no overlay or no option of the form is refused', async (t) => {
  const told = async (...words: string[]) => {
    const { code, stderr } = await warmSluice(['overlay', ...words]);
    return [code, stderr];
  };
  const actions = 'expected sluice overlay commit, or sluice overlay reset';
  t.deepEqual(await told('drop', '/mnt', 'a'), [2, `sluice: overlay: drop: ${actions}\n`]);
  const option = '--format: is for an overlay that is not mounted; leave it out';
  t.deepEqual(await told('reset', '/mnt', 'a', '--format', 'raw'), [
    2,
    `sluice: overlay: ${option}\n`,
  ]);
  t.deepEqual(await told('commit', '/none.over'), [
    1,
    'sluice: overlay: /none.over: no such file\n',
  ]);
  t.is((await told('commit', '/', 'a'))[0], 4);
});

qemuTest('an overlay that is not mounted is reset, by the formats that are said', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('base', 1 << 20);
  maker.create('over.img', '1M', '', '-b', 'base', '-F', 'raw');
  maker.io('over.img', 'qcow2', 'write -P 1 0 64k');
  const guessed = await warmSluice(['overlay', 'reset', maker.path('over.img')]);
  t.is(guessed.code, 3, guessed.stderr);
  const words = ['overlay', 'reset', maker.path('over.img'), '--format', 'qcow2'];
  const { code, stderr } = await warmSluice(words);
  t.is(stderr, '');
  t.is(code, 0);
  maker.img('compare', '-f', 'raw', '-F', 'qcow2', 'base', 'over.img');
});
