import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { defaultLogFile, fileLog, logLine } from '../../src/server/log.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test('a line has the time, the process, the mount point and the text', (t) => {
  const time = new Date(Date.UTC(2026, 10, 20, 10));
  t.is(
    logLine(time, 4242, '/mnt/s', 'mounted'),
    '2026-11-20T10:00:00.000Z sluice[4242] /mnt/s: mounted\n',
  );
});

test('a text of several lines is one line', (t) => {
  const line = logLine(new Date(0), 1, '/mnt/a\nb', 'one\ntwo\n');
  t.is(line, '1970-01-01T00:00:00.000Z sluice[1] /mnt/a\\nb: one\\ntwo\\n\n');
});

test('a log is appended to, and only its owner reads it', (t) => {
  const path = join(folder, 'sluice.log');
  fileLog(path, '/mnt/s').info('first');
  const second = fileLog(path, '/mnt/s');
  second.warn('second');
  second.error('third');
  const texts = readFileSync(path, 'utf8').replaceAll(/^\S+ sluice\[\d+\] /gm, '');
  t.is(texts, '/mnt/s: first\n/mnt/s: warning: second\n/mnt/s: error: third\n');
  t.is(statSync(path).mode & 0o777, 0o600);
});

test('at 16 MiB a log is renamed to .1, replacing an older one', (t) => {
  const path = join(folder, 'full.log');
  writeFileSync(path, '');
  truncateSync(path, 16 * 1024 * 1024);
  writeFileSync(`${path}.1`, 'older');
  fileLog(path, '/mnt/s').info('new');
  t.is(statSync(`${path}.1`).size, 16_777_216);
  t.regex(readFileSync(path, 'utf8'), /^\S+ sluice\[\d+\] \/mnt\/s: new\n$/);
});

test('a log one byte short of that is left', (t) => {
  const path = join(folder, 'almost.log');
  writeFileSync(path, '');
  truncateSync(path, 16 * 1024 * 1024 - 1);
  fileLog(path, '/mnt/s').info('new');
  t.true(statSync(path).size > 16_777_216);
  t.throws(() => statSync(`${path}.1`), { code: 'ENOENT' });
});

test('two logs on one file go on in the new file after the other one renamed it', (t) => {
  const path = join(folder, 'shared.log');
  const long = 'x'.repeat(65_536);
  const one = fileLog(path, '/one');
  one.info('first');
  truncateSync(path, 16 * 1024 * 1024);
  fileLog(path, '/two').info('second');
  one.info(long);
  const text = readFileSync(path, 'utf8');
  t.true(text.includes('/two: second'));
  t.true(text.includes(`/one: ${long}`));
});

test('root logs to /var/log, others to the XDG state folder', (t) => {
  const home = '/home/me';
  t.is(defaultLogFile(0, undefined, home), '/var/log/sluice.log');
  t.is(defaultLogFile(1000, undefined, home), '/home/me/.local/state/sluice/sluice.log');
  t.is(defaultLogFile(1000, '/state', home), '/state/sluice/sluice.log');
  // According to the XDG specification relative paths are ignored.
  for (const stateHome of ['', 'state']) {
    t.is(defaultLogFile(1000, stateHome, home), '/home/me/.local/state/sluice/sluice.log');
  }
});
