import test from 'ava';
import { BackingFiles } from '../../src/fuse/backing-files.js';
import { SluiceError } from '../../src/util/errors.js';
import { hex } from './exchange.js';

const PASSTHROUGH = { flags2: 1 << 5 };
const DISKS = [{ name: 'a', backing: 7 }, { name: 'b' }, { name: 'c', backing: 300 }];

/** A kernel that gives out IDs from 1, or `answer`. */
function setUp(disks: { name: string; backing?: number }[], answer?: number) {
  const calls: [number, string, Uint8Array][] = [];
  let id = 0;
  const ioctl = (device: number, command: number, { buffer }: DataView): number => {
    calls.push([device, command.toString(16), new Uint8Array(buffer.slice(0)) as Uint8Array]);
    return answer ?? ++id;
  };
  return { calls, backings: new BackingFiles(disks, 4, ioctl) };
}

test('each file that is to be passed through is handed to the kernel, and taken from it', (t) => {
  const { calls, backings } = setUp(DISKS);
  t.true(backings.isWanted);
  backings.open(PASSTHROUGH);
  t.deepEqual(
    [0, 1, 2, 3].map((disk) => backings.of(disk)),
    [1, 0, 2, 0],
  );
  // FUSE_DEV_IOC_BACKING_OPEN of struct fuse_backing_map.
  t.deepEqual(calls.splice(0), [
    [4, '4010e501', hex('fd 07000000', 'flags 00000000', 'padding 00*8')],
    [4, '4010e501', hex('fd 2c010000', 'flags 00000000', 'padding 00*8')],
  ]);
  backings.close();
  t.deepEqual(calls.splice(0), [
    [4, '4004e502', hex('id 01000000')],
    [4, '4004e502', hex('id 02000000')],
  ]);
  t.is(backings.of(0), 0);
  backings.close();
  t.deepEqual(calls, []);
});

test('without such a file nothing is asked of the kernel', (t) => {
  const { calls, backings } = setUp([{ name: 'a' }]);
  t.false(backings.isWanted);
  backings.open(PASSTHROUGH);
  backings.open({ flags2: 0 });
  backings.close();
  t.deepEqual(calls, []);
});

test('a kernel that does not offer passthrough is refused', (t) => {
  const { calls, backings } = setUp(DISKS);
  const error = t.throws(() => backings.open({ flags2: 1 << 4 }), { instanceOf: SluiceError });
  t.deepEqual([error?.errno, error?.exitCode], ['ENOSYS', 4]);
  t.regex(error!.message, /^this kernel passes no files through; Linux 6\.9 or newer/);
  t.deepEqual(calls, []);
});

for (const [errno, number, exitCode, says] of [
  ['EPERM', 1, 4, /CAP_SYS_ADMIN/],
  ['ELOOP', 40, 3, /too many file systems on each other/],
  ['ENOTSUP', 95, 3, /its file system cannot do that/],
  ['ENOMEM', 12, 3, /leave --passthrough out/],
] as const) {
  test(`a file that the kernel refuses with ${errno} is named`, (t) => {
    const { backings } = setUp(DISKS, -number);
    const error = t.throws(() => backings.open(PASSTHROUGH), { instanceOf: SluiceError });
    t.deepEqual([error?.errno, error?.exitCode], [errno, exitCode]);
    t.true(error!.message.startsWith(`a: the kernel does not pass its file through (${errno}): `));
    t.regex(error!.message, says);
  });
}
