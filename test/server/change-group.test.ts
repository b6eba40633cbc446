import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseWords } from '../../src/control/text.js';
import { changeGroup, writeControlFiles } from '../../src/server/change-group.js';
import { tempFolder } from '../helpers/temp.js';

test('where no mount has a socket, the control files are written, one after the other', async (t) => {
  const mountpoint = tempFolder(t);
  const gold = join(mountpoint, '.groups', 'gold');
  mkdirSync(gold, { recursive: true });
  const read = (name: string) => readFileSync(join(gold, name), 'utf8');
  for (const name of ['io.max', 'members']) writeFileSync(join(gold, name), '');
  const words = ['bps=10M', 'iops=5', 'member=web', 'member=uid:7'];
  const order = { mountpoint, group: 'gold', changes: parseWords(words, false) };
  t.is(await changeGroup({ ...order, change: null }), null);
  t.is(read('io.max'), 'bps=10485760 iops=5\n');
  t.is(read('members'), 'web\nuid:7\n');
  const weight = { mountpoint, group: 'gold', changes: { weight: 7 } };
  const failure = { file: 'io.weight', errno: 'ENOENT', reason: '' };
  t.deepEqual(await changeGroup({ ...weight, change: null }), failure);
  const made = { mountpoint, group: 'team/new', changes: {} };
  t.is(await changeGroup({ ...made, change: 'create' }), null);
  t.true(existsSync(join(mountpoint, '.groups/team/new')));
  t.is(await changeGroup({ ...made, change: 'remove' }), null);
  t.false(existsSync(join(mountpoint, '.groups/team/new')));
});

test('a file that cannot be written is named', async (t) => {
  const mountpoint = tempFolder(t);
  mkdirSync(join(mountpoint, '.groups', 'partitions'), { recursive: true });
  const settings = [{ file: 'partitions', text: 'web' }];
  const failure = await writeControlFiles({ mountpoint, group: '', change: null, settings });
  t.deepEqual(failure, { file: 'partitions', errno: 'EISDIR', reason: '' });
});
