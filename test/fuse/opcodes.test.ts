import test from 'ava';
import { NO_REPLY } from '../../src/fuse/protocol.js';
import { DEFERRED } from '../../src/plane/transport.js';
import { DISK, Exchange, hex, ROOT } from './exchange.js';

const EIO = 5;
const ENODEV = 19;
const ENOSYS = 38;
const EPERM = 1;
const ESTALE = 116;

/** Opcode, name, and the bytes that always follow the header (sizes of structs; 2 for a name). */
const HANDLED = [
  [1, 'LOOKUP', 2],
  [2, 'FORGET', 8],
  [3, 'GETATTR', 16],
  [4, 'SETATTR', 88],
  [9, 'MKDIR', 10],
  [11, 'RMDIR', 2],
  [14, 'OPEN', 8],
  [15, 'READ', 40],
  [16, 'WRITE', 40],
  [18, 'RELEASE', 24],
  [20, 'FSYNC', 16],
  [25, 'FLUSH', 24],
  [26, 'INIT', 16],
  [27, 'OPENDIR', 8],
  [28, 'READDIR', 40],
  [29, 'RELEASEDIR', 24],
  [30, 'FSYNCDIR', 16],
  [34, 'ACCESS', 8],
  [36, 'INTERRUPT', 8],
  [42, 'BATCH_FORGET', 8],
  [43, 'FALLOCATE', 32],
  [46, 'LSEEK', 24],
] as const;

for (const [opcode, name, bytes] of HANDLED) {
  test(`${name} of fewer than ${bytes} bytes is EIO, and nothing is asked of a disk`, (t) => {
    const exchange = new Exchange();
    for (let length = 0; length < bytes; length++) {
      t.is(exchange.send(opcode, DISK, new Uint8Array(length)), -EIO);
    }
    t.deepEqual(exchange.disks.calls, []);
    t.not(exchange.send(opcode, DISK, new Uint8Array(bytes)), -EIO);
  });
}

for (const [opcode, name] of [
  [6, 'SYMLINK'],
  [8, 'MKNOD'],
  [10, 'UNLINK'],
  [12, 'RENAME'],
  [13, 'LINK'],
  [35, 'CREATE'],
  [45, 'RENAME2'],
  [51, 'TMPFILE'],
] as const) {
  test(`${name} is EPERM: the mount decides which files there are`, (t) => {
    t.is(new Exchange().send(opcode, ROOT, hex('name 6100')), -EPERM);
    t.is(new Exchange().send(opcode, ROOT), -EPERM);
  });
}

for (const [opcode, name] of [
  [0, 'opcode 0'],
  [5, 'READLINK'],
  [7, 'opcode 7'],
  [21, 'SETXATTR'],
  [22, 'GETXATTR'],
  [23, 'LISTXATTR'],
  [24, 'REMOVEXATTR'],
  [31, 'GETLK'],
  [37, 'BMAP'],
  [39, 'IOCTL'],
  [40, 'POLL'],
  [44, 'READDIRPLUS'],
  [47, 'COPY_FILE_RANGE'],
  [50, 'SYNCFS'],
  [52, 'STATX'],
  [63, 'the last of the table'],
  [64, 'the first behind the table'],
  [4096, 'CUSE_INIT'],
  [4294967295, 'the largest opcode'],
] as const) {
  test(`${name} is not known: ENOSYS, so that the kernel does not ask again`, (t) => {
    t.is(new Exchange().send(opcode, ROOT, new Uint8Array(64)), -ENOSYS);
  });
}

for (const [opcode, name, bytes] of HANDLED) {
  if (name === 'INIT' || name === 'INTERRUPT' || name.endsWith('FORGET')) continue;
  if (['READ', 'WRITE', 'RELEASE', 'RELEASEDIR', 'FLUSH'].includes(name)) continue;
  test(`${name} of a node that is not there is ESTALE`, (t) => {
    for (const node of [0, 5, 4294967297, Number.MAX_SAFE_INTEGER]) {
      t.is(new Exchange().send(opcode, node, new Uint8Array(bytes)), -ESTALE);
    }
  });
}

for (const [opcode, name] of [
  [15, 'READ'],
  [16, 'WRITE'],
] as const) {
  test(`${name} of a file of a group that was removed is ENODEV`, (t) => {
    t.is(new Exchange().send(opcode, 99, new Uint8Array(40)), -ENODEV);
  });
}

for (const [opcode, name, bytes] of [
  [18, 'RELEASE', 24],
  [25, 'FLUSH', 24],
  [29, 'RELEASEDIR', 24],
] as const) {
  test(`${name} works on what was removed while it was open`, (t) => {
    t.deepEqual(new Exchange().send(opcode, 99, new Uint8Array(bytes)), new Uint8Array());
  });
}

test('a deferred operation whose node has gone meanwhile ends with ESTALE', (t) => {
  const exchange = new Exchange();
  const disk = exchange.tree.addDisk(exchange.tree.root, 'gone.raw', 8);
  t.is(exchange.send(16, disk.id, new Uint8Array(40)), DEFERRED);
  exchange.tree.remove(disk);
  t.is(exchange.finish(4096), -ESTALE);
  t.is(exchange.finish(-EIO), -EIO);
});

test('FORGET and BATCH_FORGET take no reply, and the node stays', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(2, DISK, hex('nlookup 0100000000000000')), NO_REPLY);
  const batch = hex(
    'count 01000000',
    'dummy 00*4',
    'node 0200000000000000',
    'nlookup 0100000000000000',
  );
  t.is(exchange.send(42, 0, batch), NO_REPLY);
  t.is(exchange.send(2, 77, hex('nlookup 0100000000000000')), NO_REPLY);
  t.is((exchange.send(3, DISK, new Uint8Array(16)) as Uint8Array).length, 104);
});

test('INTERRUPT is handed on with both halves of the id, and takes no reply', (t) => {
  const exchange = new Exchange();
  t.is(exchange.send(36, 0, hex('unique 8877665544332211')), NO_REPLY);
  t.is(exchange.send(36, 0, hex('unique ffffffff000000ff')), NO_REPLY);
  t.deepEqual(exchange.disks.calls, [
    'interrupt 1432778632 287454020',
    'interrupt 4294967295 4278190080',
  ]);
});

test('DESTROY is answered', (t) => {
  t.deepEqual(new Exchange().send(38, 0), new Uint8Array());
});
