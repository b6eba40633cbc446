import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readFarAhead } from '../../src/server/read-ahead.js';
import { tempFolder } from '../helpers/temp.js';

const LOCAL = { image: { files: [{ descriptor: 3 }] } };
const FAR = { image: { files: [{ descriptor: 3 }, { descriptor: -1, nbd: {} }] } };

test('the kernel reads far ahead from the first image on that lies on an export', (t) => {
  const devices = tempFolder(t);
  mkdirSync(join(devices, '0:77'));
  const path = join(devices, '0:77', 'read_ahead_kb');
  const told: string[] = [];
  const disks = [LOCAL];
  const images = { disks: disks as never[], added: () => {} };
  writeFileSync(path, '128\n');
  readFarAhead(images, '0:77', { info: (text) => told.push(text) }, devices);
  t.is(readFileSync(path, 'utf8'), '128\n');
  disks.push(FAR);
  images.added();
  t.is(Number.parseInt(readFileSync(path, 'utf8'), 10), 4096);
  writeFileSync(path, '8192\n');
  images.added();
  t.is(readFileSync(path, 'utf8'), '8192\n');
  t.deepEqual(told, []);
  rmSync(path);
  images.added();
  const what = 'the kernel reads little ahead of programs';
  t.deepEqual(told, [`${what}; as root: echo 4096 > ${path} (ENOENT)`]);
});
