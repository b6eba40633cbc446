import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ERRNO } from '../../src/util/errno.js';
import { Difference, describe } from '../../tools/exerciser/difference.js';
import { type AfterOperation, exercise, withState } from '../../tools/exerciser/exercise.js';
import { type Calls, SEEK_DATA, SEEK_HOLE, systemCalls } from '../../tools/exerciser/libc.js';
import { type ExerciseOptions, parseOptions } from '../../tools/exerciser/options.js';

/** One folder on tmpfs, one on the disk that holds temporary files. */
const TMPFS = '/dev/shm';

interface Result {
  difference: Difference | null;
  /** The text that the command would print. */
  text: string;
}

/** Exercises a new file, with faulty calls or with damage to the file. */
async function run(
  t: ExecutionContext,
  words: string,
  base: string,
  calls: Partial<Calls> = {},
  after: AfterOperation = () => {},
): Promise<Result> {
  const folder = mkdtempSync(join(base, 'exerciser-test-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const list = words.split(' ').filter((word) => word !== '');
  const options: ExerciseOptions = parseOptions([join(folder, 'file'), ...list]).exercise;
  return withState(options, { ...systemCalls, ...calls }, async (state) => {
    try {
      await exercise(state, after);
      return { difference: null, text: '' };
    } catch (error) {
      if (!(error instanceof Difference)) throw error;
      return { difference: error, text: describe(error, state.journal, options) };
    }
  });
}

const passes = test.macro({
  title: (_, words: string, base: string) => `a sound file passes: "${words}" in ${base}`,
  exec: async (t, words: string, base: string) => {
    t.is((await run(t, words, base)).text, '');
  },
});

for (const base of [TMPFS, tmpdir()]) {
  test(passes, '--ops 3000', base);
  test(passes, '--ops 3000 --growable --seed 2', base);
  test(passes, '--ops 1500 --no-direct-fds --no-mmap --size 64K', base);
  test(passes, '--ops 2000 --concurrent 4', base);
  test(passes, '--ops 900 --first-op 700 --stop-at 900 --growable', base);
}

/** Calls that make a plain file of 1 MiB + 512 bytes behave like an image of fixed size. */
function fixedCalls(): Partial<Calls> {
  const size = (1 << 20) + 512;
  return {
    open: (path, flags, mode) => {
      const fd = systemCalls.open(path, flags & ~0o1000, mode);
      if ((flags & 3) !== 0) systemCalls.ftruncate(fd, size);
      return fd;
    },
    pwrite: (fd, address, length, offset) =>
      offset >= size
        ? -ERRNO.ENOSPC
        : systemCalls.pwrite(fd, address, Math.min(length, size - offset), offset),
    ftruncate: () => -ERRNO.EPERM,
  };
}

test('an image of fixed size passes with --fixed', async (t) => {
  const words = '--ops 3000 --fixed --direct-align 1 --no-direct-fds';
  t.is((await run(t, words, TMPFS, fixedCalls())).text, '');
});

test('an image of fixed size that takes a write at its end is found', async (t) => {
  const { pwrite: _, ...others } = fixedCalls();
  const { text } = await run(t, '--ops 3000 --fixed --no-direct-fds', TMPFS, others);
  t.regex(text, /write returned \d+, expected (ENOSPC|\d+)/);
});

test('an image of fixed size that lets itself be truncated is found', async (t) => {
  const { ftruncate: _, ...others } = fixedCalls();
  const { text } = await run(t, '--ops 3000 --fixed --no-direct-fds', TMPFS, others);
  t.regex(text, /ftruncate returned 0, expected EPERM/);
});

test('one wrong byte written behind its back is named, with who touched it', async (t) => {
  const wrong = Buffer.from([0]);
  const { difference, text } = await run(t, '--ops 1000', TMPFS, {}, (state, number) => {
    if (number !== 1000) return;
    wrong[0] = state.model.bytes[5000]! ^ 0xff;
    writeSync(state.fds[1]!, wrong, 0, 1, 5000);
  });
  t.is(difference?.from, 5000);
  t.is(difference?.to, 5001);
  t.regex(text, /bytes 0x1388\.\.0x1388 \(1 bytes\) differ/);
  t.regex(
    text,
    /operations that touched 0x1388\.\.0x1388:\n(.*\n)*.* (buffered|direct|read-only)#/,
  );
  t.regex(text, /repeat with: .*--seed 1 .*--stop-at \d+/);
});

test('the operation that shows a difference is the last one that the repeat needs', async (t) => {
  const broken = { pwrite: lostTail };
  const first = (await run(t, '--ops 4000', TMPFS, broken)).difference!;
  const again = `--ops 4000 --stop-at ${first.operation}`;
  t.is((await run(t, again, TMPFS, broken)).difference?.operation, first.operation);
  const before = `--ops 4000 --stop-at ${first.operation - 1} --seed 1`;
  const earlier = (await run(t, before, TMPFS, broken)).difference;
  t.true(earlier === null || earlier.operation >= first.operation);
});

/** Loses the second request of a write that needs more than one. */
function lostTail(fd: number, address: number, length: number, offset: number): number {
  systemCalls.pwrite(fd, address, Math.min(length, 1 << 20), offset);
  return length;
}

const finds = test.macro({
  title: (_, what: string) => `it finds ${what}`,
  exec: async (t, _: string, words: string, calls: Partial<Calls>, expected: RegExp) => {
    t.regex((await run(t, words, TMPFS, calls)).text, expected);
  },
});

test(finds, 'a lost second half of a large write', '', { pwrite: lostTail }, /differ/);
test(
  finds,
  'a hole reported where there is data',
  '',
  {
    lseek: (fd, offset, whence) => {
      if (whence === SEEK_HOLE) return offset;
      const data = systemCalls.lseek(fd, offset, whence);
      return whence === SEEK_DATA && data >= 0 ? systemCalls.lseek(fd, offset, SEEK_HOLE) : data;
    },
  },
  /seek: (a hole where there is data|both data and hole)/,
);
test(
  finds,
  'an end of file that is data for SEEK_DATA',
  '',
  { lseek: (_, offset) => offset },
  /seek: /,
);
test(
  finds,
  'a short read',
  '',
  {
    pread: (fd, address, length, offset) =>
      systemCalls.pread(fd, address, Math.min(length, 1 << 20), offset),
  },
  /read returned 1048576, expected \d+/,
);
test(finds, 'a hole that was not punched', '', { fallocate: () => 0 }, /differ/);
test(
  finds,
  'a punch that takes whole blocks',
  '--size 64K',
  {
    fallocate: (fd, mode, offset, length) =>
      systemCalls.fallocate(fd, mode, offset - (offset % 4096), length),
  },
  /differ/,
);
test(
  finds,
  'a truncate that was not done',
  '--growable',
  { ftruncate: sometimesNot() },
  /fstat size returned \d+, expected \d+/,
);
test(
  finds,
  'an error that an fsync gives',
  '',
  { fsync: () => -ERRNO.EIO },
  /fsync returned EIO, expected 0/,
);
test(
  finds,
  'a mapping that loses what is written to it',
  '',
  {
    map: (fd, offset, length, writable) => {
      const address = systemCalls.map(fd, offset, length, writable);
      return writable ? privateCopy(address, length) : address;
    },
    msync: () => 0,
  },
  /differ/,
);

/** Omits some calls. */
function sometimesNot(): Calls['ftruncate'] {
  let calls = 0;
  return (fd, length) => {
    calls += 1;
    return calls % 8 === 5 ? 0 : systemCalls.ftruncate(fd, length);
  };
}

/** A private mapping, whose changes are lost. */
function privateCopy(address: number, length: number): number {
  systemCalls.munmap(address, length);
  const fd = systemCalls.open('/dev/zero', 2, 0);
  const copy = systemCalls.map(fd, 0, length, true);
  systemCalls.close(fd);
  return copy;
}

test('a lost update between two neighbouring parallel writes is found', async (t) => {
  // Read-modify-write of whole sectors without a lock: the second one writes back old bytes.
  const { text } = await run(t, '--ops 800 --concurrent 4', TMPFS, {
    pwriteAsync: async (fd, address, length, offset) => {
      const start = offset - (offset % 512);
      const end = Math.ceil((offset + length) / 512) * 512;
      const sectors = Buffer.alloc(end - start);
      const fs = await import('node:fs');
      fs.readSync(fd, sectors, 0, sectors.length, start);
      await new Promise((resolve) => setImmediate(resolve));
      const written = systemCalls.pwrite(fd, address, length, offset);
      const fresh = Buffer.alloc(length);
      fs.readSync(fd, fresh, 0, length, offset);
      fresh.copy(sectors, offset - start);
      fs.writeSync(fd, sectors, 0, sectors.length, start);
      return written;
    },
  });
  t.regex(text, /differ(.|\n)*in parallel/);
});

test('a host file that lacks what the mounted file has is found', async (t) => {
  const folder = mkdtempSync(join(TMPFS, 'exerciser-host-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const host = join(folder, 'host');
  const fs = await import('node:fs');
  fs.writeFileSync(host, Buffer.alloc(8 << 20));
  t.regex((await run(t, `--ops 10 --host ${host}`, TMPFS)).text, /host file: bytes .* differ/);
});

const refuses = test.macro({
  title: (_, words: string) => `wrong usage is refused: ${words}`,
  exec: (t, words: string, message: RegExp) => {
    t.throws(() => parseOptions(words.split(' ')), { message });
  },
});

test(refuses, 'file --growable --fixed', /exclude/);
test(refuses, 'file --size 32M', /at most 16M/);
test(refuses, 'file --size 100000', /multiple of 4096/);
test(refuses, 'file --opps 3', /opps/);
test(refuses, 'one two', /one file/);
