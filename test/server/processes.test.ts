import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { describeHolders, findHolders } from '../../src/server/holders.js';
import {
  identify,
  identifyDaemon,
  isRunning,
  parseProcessStat,
  waitForEnd,
} from '../../src/server/processes.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-processes-')));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test('state and start time are found whatever the name of the process is', (t) => {
  const fields = Array.from({ length: 50 }, (_, index) => String(index + 4));
  const text = `4242 (a) R (b) S ${fields.join(' ')}`;
  // proc(5) counts fields from 1: the state is field 3, the start time field 22.
  t.deepEqual(parseProcessStat(text), { state: 'S', startTime: '22' });
});

test('the end of a process is waited for', async (t) => {
  const child = spawn('sleep', ['100']);
  await once(child, 'spawn');
  const id = identify(child.pid ?? 0);
  if (id === null) return t.fail();
  t.true(isRunning(id));
  t.false(await waitForEnd(id, 20));
  child.kill();
  t.true(await waitForEnd(id, 10_000));
  t.false(isRunning(id));
});

test('a later process of the same number is another process', (t) => {
  const id = identify(process.pid);
  t.true(id !== null && isRunning(id));
  t.false(isRunning({ pid: process.pid, startTime: '1' }));
});

test('a stranger whose number a mount names is not taken for its daemon', async (t) => {
  const child = spawn('sleep', ['100']);
  await once(child, 'spawn');
  t.is(identifyDaemon(child.pid ?? 0), null);
  child.kill();
});

test('who has a file open, or works in a folder, holds it', async (t) => {
  const file = join(folder, 'held');
  const fd = openSync(file, 'w');
  const opener = spawn('sleep', ['100'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  const worker = spawn('sleep', ['100'], { cwd: folder });
  await Promise.all([once(opener, 'spawn'), once(worker, 'spawn')]);
  const found = findHolders(folder).processes.filter((holder) => holder.pid !== process.pid);
  t.deepEqual(
    found.sort((a, b) => a.path.length - b.path.length),
    [
      { pid: worker.pid ?? 0, name: 'sleep', path: folder },
      { pid: opener.pid ?? 0, name: 'sleep', path: file },
    ],
  );
  t.deepEqual(findHolders(`${folder}x`).processes, []);
  opener.kill();
  worker.kill();
});

test('three holders are named, more are counted', (t) => {
  const holder = (pid: number) => ({ pid, name: 'fio', path: '/mnt/s/disk.raw' });
  t.is(describeHolders({ processes: [], devices: [] }), '');
  t.is(
    describeHolders({ processes: [holder(7)], devices: ['/dev/loop0'] }),
    'fio (pid 7), /dev/loop0',
  );
  t.is(
    describeHolders({ processes: [1, 2, 3, 4, 5].map(holder), devices: [] }),
    'fio (pid 1), fio (pid 2), fio (pid 3) and 2 more',
  );
});
