import { join } from 'node:path';
import test from 'ava';
import { tablesOf } from '../../../src/cli/commands/top.js';
import { mountTest } from '../../helpers/requires.js';
import { sluice } from '../../helpers/run.js';
import { withMount } from '../../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../../helpers/temp.js';

test('the live view is for terminals, tables are for others', (t) => {
  t.is(tablesOf({}, true), null);
  t.is(tablesOf({ once: true }, true), 1);
  t.is(tablesOf({ batch: '60', json: true }, false), 60);
  t.is(tablesOf({ json: true }, true), Infinity);
  t.throws(() => tablesOf({}, false), { message: /there is no terminal to draw on; --once/ });
  for (const batch of ['0', '-1', 'x', '1.5', '9999999999']) {
    t.throws(() => tablesOf({ batch }, true), { message: /expected a number from 1 to 999999999/ });
  }
  t.throws(() => tablesOf({ once: true, batch: '2' }, true), { message: /do not go together/ });
});

mountTest('tables for people and for programs', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'disk.img'), MIB);
  const words = ['--group', 'gold:weight=80,iops=500', '--assign', 'disk=gold'];
  await withMount(t, [image], words, async (mount) => {
    const once = await sluice(['top', mount.point, '--once']);
    t.is(once.stderr, '');
    t.regex(once.stdout, /\ngold +disk +0 +0 B +0 B /);
    const twice = await sluice(['top', mount.point, '--json', '--batch', '2']);
    const lines = twice.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.is(lines.length, 2);
    t.like(lines[1].rows[1], { group: 'gold', weight: 80, queued: 0 });
    t.deepEqual(lines[1].rows[1].limits, [{ key: 'iops', rate: 0, limit: 500 }]);
  });
});
