import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openHostFile } from '../../src/host/host-file.js';
import { NbdFile } from '../../src/host/nbd-file.js';
import { SluiceError } from '../../src/util/errors.js';
import { NbdServer } from '../helpers/nbd-server.js';
import { requires } from '../helpers/requires.js';
import { KIB, MIB, pattern, patternFile, tempFolder } from '../helpers/temp.js';

const nbdTest = requires('nbdkit');
const SERVE = { readOnly: false, directBlock: 0, nbd: { timeoutMs: 1000, connections: 3 } };

/** An export of a file, and the file. */
function exported(t: ExecutionContext, size: number, ...words: string[]) {
  const path = patternFile(join(tempFolder(t), 'disk.img'), size);
  const server = NbdServer.nbdkit(t, ...words, 'file', path);
  const file = openHostFile(server.uri);
  t.teardown(() => file.close());
  return { path, server, file };
}

nbdTest('an export is read like a file', (t) => {
  const { path, server, file } = exported(t, 3 * MIB + 512);
  t.true(file instanceof NbdFile);
  t.deepEqual([file.path, file.size, file.blockDevice], [server.uri, 3 * MIB + 512, true]);
  const bytes = readFileSync(path);
  for (const [offset, length] of [
    [0, 512],
    [1, 3],
    [100_000, 2 * MIB],
  ] as const) {
    t.deepEqual(Buffer.from(file.read(offset, length)), bytes.subarray(offset, offset + length));
  }
  // Behind its end there are zeros.
  const tail = Buffer.concat([bytes.subarray(3 * MIB), Buffer.alloc(88)]);
  t.deepEqual(Buffer.from(file.read(3 * MIB, 600)), tail);
  t.is(file.use(), null);
});

nbdTest('blocks of a server are kept to, whatever is read and written', (t) => {
  const words = ['--filter=blocksize-policy'];
  const path = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  const own = [
    ...words,
    'file',
    path,
    'blocksize-minimum=4096',
    'blocksize-maximum=64K',
    'blocksize-preferred=4096',
    'blocksize-error-policy=error',
  ];
  const file = openHostFile(NbdServer.nbdkit(t, ...own).uri);
  const bytes = readFileSync(path);
  t.deepEqual(Buffer.from(file.read(5000, 300_000)), bytes.subarray(5000, 305_000));
  const edit = file.edit();
  const own_bytes = pattern(200_000, 9);
  edit.write(1234, own_bytes);
  edit.sync();
  edit.close();
  own_bytes.copy(bytes, 1234);
  t.deepEqual(readFileSync(path), bytes);
  const says = /wants blocks of 4096 bytes, and this image needs smaller ones/;
  t.throws(() => file.serve({ ...SERVE, largestBlock: 512 }), { message: says });
  t.is(file.serve({ ...SERVE, largestBlock: 4096 }).alignment, 4096);
});

nbdTest('a process connects once to an export, until that is served', (t) => {
  const path = patternFile(join(tempFolder(t), 'disk.img'), 64 * KIB);
  // It takes one client at a time, as it does without --shared.
  const server = NbdServer.qemu(t, '-f', 'raw', path);
  const [one, other] = [openHostFile(server.uri), openHostFile(server.uri)];
  t.is(one.identity, other.identity);
  one.close();
  t.deepEqual(Buffer.from(other.read(0, 512)), readFileSync(path).subarray(0, 512));
  other.close();
  const third = openHostFile(server.uri);
  t.is(third.size, 64 * KIB);
  third.close();
});

nbdTest('more connections are made if the server allows them', (t) => {
  const { file } = exported(t, MIB);
  const served = file.serve({ ...SERVE, largestBlock: 4096 });
  t.is(served.nbd!.descriptors.length, 3);
  t.true(served.device < 0);
  const image = patternFile(join(tempFolder(t), 'disk.img'), MIB);
  const single = NbdServer.nbdkit(
    t,
    '--filter=multi-conn',
    'file',
    image,
    'multi-conn-mode=disable',
  );
  const alone = openHostFile(single.uri).serve({ ...SERVE, largestBlock: 4096 });
  t.is(alone.nbd!.descriptors.length, 1);
});

nbdTest('an export that nobody may write is only read', (t) => {
  const { file } = exported(t, MIB, '-r');
  file.lock(false);
  t.throws(() => file.lock(true), {
    message: /the server lets nobody write this export; use --read-only/,
  });
  t.throws(() => file.checkWritable(), { message: /lets nobody write/ });
});

nbdTest('an error of the server is an I/O error with the name of the export', (t) => {
  const words = ['--filter=error', 'memory', '1M', 'error=EIO', 'error-pread-rate=100%'];
  const { uri } = NbdServer.nbdkit(t, ...words);
  const error = t.throws(() => openHostFile(uri).read(0, 512), { instanceOf: SluiceError });
  t.is(error!.message, `${uri}: cannot be read: an I/O error of the disk, or a broken image (EIO)`);
  t.is(error!.errno, 'EIO');
});

nbdTest('a server that goes away is an I/O error, too', async (t) => {
  const { server, file } = exported(t, MIB);
  await server.kill();
  t.throws(() => file.read(0, 512), {
    message: /cannot be read: the server has closed the connection/,
  });
});
