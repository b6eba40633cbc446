import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LocalFile } from '../../src/host/local-file.js';
import { F_DUPFD_CLOEXEC } from '../../src/sys/constants.js';
import { close, fcntl } from '../../src/sys/libc.js';
import { SluiceError } from '../../src/util/errors.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

/** Opens one file several times, with a descriptor of its own each time. */
function openOften(t: ExecutionContext, times: number): LocalFile[] {
  const path = join(tempFolder(t, TMPFS), 'disk');
  writeFileSync(path, 'x'.repeat(4096));
  return Array.from({ length: times }, () => {
    const file = new LocalFile(path);
    t.teardown(() => file.close());
    return file;
  });
}

function refuses(t: ExecutionContext, file: LocalFile, forWriting: boolean, says: RegExp): void {
  const error = t.throws(() => file.lock(forWriting), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', says);
  t.is(error?.errno, 'EAGAIN');
  t.is(error?.exitCode, 3);
}

test('readers share a file', (t) => {
  for (const file of openOften(t, 3)) t.notThrows(() => file.lock(false));
});

test('a writer has a file for itself, and its holder is named', (t) => {
  const [writer, other] = openOften(t, 2) as [LocalFile, LocalFile];
  writer.lock(true);
  for (const forWriting of [false, true]) {
    refuses(t, other, forWriting, new RegExp(`in use for writing by .* \\(pid ${process.pid}\\)`));
  }
});

test('a file that is read is not written', (t) => {
  const [reader, writer] = openOften(t, 2) as [LocalFile, LocalFile];
  reader.lock(false);
  refuses(t, writer, true, /in use by .*, which lets nobody write it; use --read-only/);
});

test('a lock ends with the file, also where the data plane had it', (t) => {
  const [first, second] = openOften(t, 2) as [LocalFile, LocalFile];
  first.lock(true);
  first.serve({ readOnly: false, directBlock: 4096 });
  first.close();
  t.notThrows(() => second.lock(true));
});

test('a request that is under way keeps the lock', (t) => {
  // A process that dies closes its descriptors; a ring keeps those of its requests until they are done.
  const [first, second] = openOften(t, 2) as [LocalFile, LocalFile];
  first.lock(true);
  const { descriptor } = first.serve({ readOnly: false, directBlock: 4096 });
  const request = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  first.close();
  refuses(t, second, true, /in use for writing by/);
  close(request);
  t.notThrows(() => second.lock(true));
});

test('the size is that of the locked file', (t) => {
  const [file] = openOften(t, 1) as [LocalFile];
  writeFileSync(file.path, 'x'.repeat(5000));
  t.is(file.size, 4096);
  file.lock(false);
  t.is(file.size, 5000);
});
