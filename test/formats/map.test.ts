import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Maker } from '../../tools/lib/image-maker.js';
import { must, run } from '../helpers/run.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';
import { qemuTest } from './needs.js';
import { VARIANTS } from './variants.js';

test('there are at least 60 variants', (t) => {
  t.log(`${VARIANTS.length} variants`);
  t.true(VARIANTS.length >= 60, String(VARIANTS.length));
  t.is(new Set(VARIANTS.map(({ title }) => title)).size, VARIANTS.length);
});

// Their maps are compared where their contents are: content.test.ts.

qemuTest('sluice map --json prints what qemu-img map --output=json prints', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '100M');
  maker.io('top.qcow2', 'qcow2', 'write -P 1 1M 1M', 'write -P 1 50M 64k');
  const path = maker.path('top.qcow2');
  const expected = await must('qemu-img', ['map', '--output=json', path]);
  const ended = await warmSluice(['map', path, '--json']);
  t.is(ended.stdout, expected);
});

qemuTest('an image of 1 TiB without data is mapped in one extent, and soon', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1T');
  const ended = await warmSluice(['map', maker.path('top.qcow2'), '--json']);
  t.is(
    ended.stdout,
    '[{ "start": 0, "length": 1099511627776, "depth": 0, "present": false, "zero": true, "data": false}]\n',
  );
  // To map its 16 million clusters one by one would take minutes.
  t.true(ended.ms < 20_000, `${ended.ms} ms`);
});

qemuTest('backing names begin at the folder of the overlay, not at ours', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  mkdirSync(maker.path('sub'));
  maker.raw('sub/base.img', 1 << 20);
  maker.create('sub/top.qcow2', '1M', '', '-b', 'base.img', '-F', 'raw');
  const ended = await run('sh', [
    '-c',
    `cd / && qemu-img map ${join(maker.folder, 'sub/top.qcow2')}`,
  ]);
  t.is(ended.code, 0);
  t.is((await warmSluice(['map', maker.path('sub/top.qcow2')])).code, 0);
});
