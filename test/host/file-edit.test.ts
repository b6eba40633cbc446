import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { FileEdit, makeFile } from '../../src/host/file-edit.js';
import { LocalFile } from '../../src/host/local-file.js';
import { SluiceError } from '../../src/util/errors.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

test('changes are in the file, whose size is the new one after the last of them', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk');
  writeFileSync(path, 'abcdef');
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  const edit = new FileEdit(file);
  edit.write(4, Buffer.from('XYZ'));
  edit.sync();
  t.is(Buffer.from(edit.read(0, 8)).toString('latin1'), 'abcdXYZ\0');
  t.is(edit.size, 6);
  edit.close();
  t.is(file.size, 7);
  t.is(readFileSync(path, 'latin1'), 'abcdXYZ');
});

test('a file is made with zeros between its pieces', (t) => {
  const path = join(tempFolder(t, TMPFS), 'new');
  const pieces = [
    { offset: 4, bytes: Buffer.from('de') },
    { offset: 0, bytes: Buffer.from('ab') },
  ];
  makeFile(path, 8, pieces, 0o600);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(readFileSync(path, 'latin1'), 'ab\0\0de\0\0');
});

test('a file that is there is not made again', (t) => {
  const path = join(tempFolder(t, TMPFS), 'old');
  writeFileSync(path, 'old');
  const error = t.throws(() => makeFile(path, 8, [], 0o600), { instanceOf: SluiceError });
  t.is(error?.message, `${path}: cannot be made (EEXIST)`);
  t.is(error?.exitCode, 1);
  t.is(readFileSync(path, 'latin1'), 'old');
});

test('a file that cannot be written whole is not left behind', (t) => {
  const folder = tempFolder(t, TMPFS);
  chmodSync(folder, 0o755);
  const path = join(folder, 'new');
  const error = t.throws(() => makeFile(path, 2 ** 63, [], 0o600), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', /new: cannot be made \(.*\)$/);
  t.false(existsSync(path));
});
