import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseDaemonFile, readStatus } from '../../src/server/status.js';
import { runProgram } from '../../src/sys/run-program.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-status-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

// A plain folder with the files of a mount: the reader does not notice the difference.
mkdirSync(join(folder, '.groups', 'team', 'build'), { recursive: true });
writeFileSync(join(folder, '.groups', 'daemon'), 'pid 4242\nversion 0.1.0\ntransport uring\n');
writeFileSync(join(folder, '.groups', 'io.stat'), 'root\n');
writeFileSync(join(folder, '.groups', 'team', 'io.stat'), 'team\n');
writeFileSync(join(folder, '.groups', 'team', 'build', 'io.stat'), 'build\n');

test('the daemon file is lines of a key and a value', (t) => {
  t.deepEqual(parseDaemonFile('pid 4242\ntransport uring, no registered files\n'), {
    pid: 4242,
    fields: { pid: '4242', transport: 'uring, no registered files' },
  });
});

test('a daemon file without a process number of a daemon is none', (t) => {
  for (const text of [
    '',
    'version 0.1.0\n',
    'pid\n',
    'pid x\n',
    'pid 0\n',
    'pid 1\n',
    'pid -5\n',
  ]) {
    t.is(parseDaemonFile(text), null, JSON.stringify(text));
  }
});

test('the control files of all groups are read', async (t) => {
  t.deepEqual(await readStatus(folder, ['io.stat']), {
    kind: 'alive',
    daemon: { pid: 4242, fields: { pid: '4242', version: '0.1.0', transport: 'uring' } },
    images: '',
    known: [],
    groups: [
      { path: '', files: { 'io.stat': 'root\n' } },
      { path: 'team', files: { 'io.stat': 'team\n' } },
      { path: 'team/build', files: { 'io.stat': 'build\n' } },
    ],
  });
});

test('one group is read and no other, whatever its name', async (t) => {
  // The files of all others cannot be read: with 10,000 of them that would take seconds.
  const place = mkdtempSync(join(tmpdir(), 'sluice-status-'));
  t.teardown(() => rmSync(place, { recursive: true }));
  for (const name of ['*', 'other', 'team/*']) {
    mkdirSync(join(place, '.groups', name), { recursive: true });
    if (name !== 'other') writeFileSync(join(place, '.groups', name, 'io.stat'), `${name}\n`);
  }
  writeFileSync(join(place, '.groups', 'daemon'), 'pid 4242\n');
  for (const path of ['*', 'team/*']) {
    t.like(await readStatus(place, ['io.stat'], path), {
      kind: 'alive',
      groups: [{ path, files: { 'io.stat': `${path}\n` } }],
    });
  }
});

test('a folder without control files is not of sluice', async (t) => {
  t.deepEqual(await readStatus('/proc'), { kind: 'foreign' });
});

test('no answer within the limit is a hung daemon', async (t) => {
  // Node.js takes longer than a millisecond to start.
  t.deepEqual(await readStatus(folder, [], null, 1), { kind: 'hung' });
});

test('a program that ends in time gives its output and code', async (t) => {
  t.deepEqual(await runProgram('sh', ['-c', 'echo out; echo err >&2; exit 3'], 10_000), {
    code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
    timedOut: false,
  });
});

test('a program that does not is given up with what it said so far', async (t) => {
  // So long that a busy machine has started the program, and read what it says.
  const ran = await runProgram('sh', ['-c', 'echo out; exec sleep 100'], 5000);
  t.deepEqual(ran, { code: null, stdout: 'out\n', stderr: '', timedOut: true });
});

test('a program that is missing is told', async (t) => {
  await t.throwsAsync(runProgram('sluice-no-such-program', [], 1000), { code: 'ENOENT' });
});
