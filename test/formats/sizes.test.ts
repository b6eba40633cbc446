import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { mountTest } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

/** Calls with offsets that a JavaScript number cannot hold; prints an errno name or a result for each. */
const CALLS = `import ctypes, errno, os, sys
f = os.open(sys.argv[1], os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
def fallocate(mode, offset, length):
    args = [ctypes.c_int(f), ctypes.c_int(mode), ctypes.c_int64(offset), ctypes.c_int64(length)]
    if libc.fallocate(*args) != 0: raise OSError(ctypes.get_errno(), '')
    return 0
def say(call, *words):
    try: print(call(*words))
    except OSError as error: print(errno.errorcode[error.errno])
for call in sys.argv[2:]: say(eval('lambda: ' + call))`;

/** 2^53 - 512: the largest size. Every offset below it is exact. */
const LARGEST = 9_007_199_254_740_480;

for (const transport of ['uring', 'fuse-native']) {
  mountTest(`offsets up to 2^63 - 1 get the kernel’s errors: ${transport}`, async (t) => {
    const folder = tempFolder(t, TMPFS);
    const image = `${folder}/disk.img`;
    writeFileSync(image, 'x'.repeat(4096));
    const isNative = transport === 'fuse-native';
    const words = ['--growable', '--transport', transport];
    await withMount(t, [image], words, async (mount) => {
      const calls = {
        'os.lseek(f, 2**63-1, 3)': 'ENXIO',
        'os.lseek(f, 2**63-1, 4)': 'ENXIO',
        'os.lseek(f, 2**53+1, 4)': 'ENXIO',
        'os.pread(f, 10, 2**62)': "b''",
        "os.pwrite(f, b'y' * 512, 2**62)": 'EFBIG',
        "os.pwrite(f, b'y' * 512, 2**53)": 'EFBIG',
        'os.ftruncate(f, 2**62 + 512)': 'EFBIG',
        'os.ftruncate(f, 2**53)': 'EFBIG',
        // libfuse 2 has neither fallocate nor holes.
        'fallocate(0, 2**62, 4096)': isNative ? 'ENOTSUP' : 'EFBIG',
        'fallocate(3, 0, 2**62)': isNative ? 'ENOTSUP' : '0',
        'os.fstat(f).st_size': '4096',
        // Across the last possible sector: half of the write fits.
        [`os.pwrite(f, b'z' * 1024, ${LARGEST - 512})`]: '512',
        'os.fstat(f).st_size ': String(LARGEST),
        [`os.pread(f, 4096, ${LARGEST - 512}) == b'z' * 512`]: 'True',
        [`os.lseek(f, 1 << 20, 3) in range(${LARGEST} - 65536, ${LARGEST})`]: isNative
          ? 'False'
          : 'True',
        'os.ftruncate(f, 4096)': 'None',
      };
      const said = await must('python3', ['-c', CALLS, mount.file('disk'), ...Object.keys(calls)]);
      t.deepEqual(said.trim().split('\n'), Object.values(calls));
    });
  });
}

mountTest('a raw file above 2^53 bytes is refused, the largest below is served', async (t) => {
  const folder = tempFolder(t, TMPFS);
  mkdirSync(`${folder}/mnt`);
  const image = `${folder}/disk.img`;
  await must('truncate', ['-s', '9223372036854775807', image]);
  const says = `${image}: larger than 2^53 bytes (8 PiB), which this version cannot address\n`;
  for (const words of [
    ['mount', image, `${folder}/mnt`],
    ['info', image],
    ['map', image],
  ]) {
    const ended = await warmSluice(words);
    t.is(ended.code, 3);
    t.is(ended.stderr, `sluice: ${words[0]}: ${says}`);
  }
  truncateSync(image, LARGEST);
  await withMount(t, [image], [], async (mount) => {
    const calls = [
      `os.pwrite(f, b'z' * 512, ${LARGEST - 512})`,
      `os.pread(f, 4096, ${LARGEST - 512}) == b'z' * 512`,
      `os.lseek(f, ${LARGEST - 512}, 4)`,
    ];
    const said = await must('python3', ['-c', CALLS, mount.file('disk'), ...calls]);
    t.is(said, `512\nTrue\n${LARGEST}\n`);
  });
});
