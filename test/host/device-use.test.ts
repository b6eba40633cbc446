import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { describeUse } from '../../src/host/device-use.js';
import { LocalFile } from '../../src/host/local-file.js';
import { SluiceError } from '../../src/util/errors.js';
import { loopDevice } from '../helpers/loop-device.js';
import { requires } from '../helpers/requires.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

test('a plain file is in no use', (t) => {
  const path = join(tempFolder(t, TMPFS), 'disk');
  writeFileSync(path, 'x');
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  t.is(describeUse(file), null);
});

test('a file that is swap space is in use, whatever its name', (t) => {
  const path = join(tempFolder(t), 'swap file');
  writeFileSync(path, 'x');
  const file = new LocalFile(path);
  t.teardown(() => file.close());
  const head = 'Filename Type Size Used Priority\n';
  const swaps = `${head}${path.replaceAll(' ', '\\040')} file 8188 0 -2\n`;
  t.is(describeUse(file, swaps), 'in use as swap space');
  t.is(describeUse(file, head), null);
});

requires('root', 'loop')('a loop device and its file exclude each other for writing', async (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, Buffer.alloc(1 << 20));
  const device = await loopDevice(t, path);
  const [file, reader, first, second] = [path, path, device, device].map((name) => {
    const opened = new LocalFile(name);
    t.teardown(() => opened.close());
    return opened;
  }) as [LocalFile, LocalFile, LocalFile, LocalFile];
  const inUse = t.throws(() => file.lock(true), { instanceOf: SluiceError });
  t.is(inUse?.errno, 'EBUSY');
  t.regex(inUse?.message ?? '', /in use by \/dev\/loop\d+: losetup -d .* frees it/);
  file.close();
  t.notThrows(() => reader.lock(false));
  first.lock(true);
  t.throws(() => second.lock(true), { message: /in use .*by .*pid/ });
  first.close();
});

requires('root', 'loop')('a loop device over a file that is written is not written', async (t) => {
  const path = join(tempFolder(t), 'disk');
  writeFileSync(path, Buffer.alloc(1 << 20));
  const file = new LocalFile(path);
  file.lock(true);
  // The kernel asks for no lock.
  const device = new LocalFile(await loopDevice(t, path));
  t.teardown(() => device.close());
  const says = `${device.path}: a loop device, whose file ${path} is in use for writing; `;
  const error = t.throws(() => device.lock(true), { instanceOf: SluiceError });
  t.true(error.message.startsWith(says), error.message);
  file.close();
  t.notThrows(() => device.lock(true));
});
