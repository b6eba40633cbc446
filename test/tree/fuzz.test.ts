import test from 'ava';
import { parseFile } from '../../src/control/text.js';
import { CONTROL_FILES, decodeChange } from '../../src/tree/control-files.js';
import { SluiceError } from '../../src/util/errors.js';
import fc from '../helpers/random-sequences.js';

/** Words that come close to what the files take. */
const WORD = fc.oneof(
  fc.constantFrom('rbps=', 'bps=', 'iops=', 'iops_size=', 'target=', 'default', 'max', 'auto'),
  fc.constantFrom('uid:', 'gid:', 'pid:', 'cgroup:/', 'linear', '/', '=', '-', '.', ',', ' ', '\n'),
  fc.constantFrom('0', '1', '80', '10M', '4Ki', '1e9', '99999999999999999999', 'Infinity', 'NaN'),
  fc.string({ maxLength: 5 }),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const TEXT = fc.array(WORD, { maxLength: 8 }).map((words) => words.join(''));
const BYTES = fc.oneof(
  TEXT.map((text) => new TextEncoder().encode(text)),
  fc.uint8Array({ maxLength: 64 }),
);

const WRITABLE = CONTROL_FILES.filter(({ isWritable }) => isWritable);

test('every file refuses bad bytes by EINVAL or ERANGE, in one line, and throws nothing else', (t) => {
  fc.assert(
    fc.property(BYTES, fc.constantFrom(...WRITABLE), (bytes, { name }) => {
      try {
        parseFile(name, decodeChange(bytes));
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        return ['EINVAL', 'ERANGE'].includes(error.errno) && error.exitCode === 2;
      }
      return true;
    }),
    { numRuns: 20_000 },
  );
  t.pass();
});

test('parsing time grows with the length: 64 KiB of any word take less than a second of a processor', (t) => {
  for (const word of ['1', ' ', 'a=', 'bps=1M ', 'uid:1\n', '-', 'default ', ',', '/']) {
    const text = word.repeat(Math.floor(65_536 / word.length));
    for (const { name } of WRITABLE) {
      const start = process.cpuUsage();
      try {
        parseFile(name, text);
      } catch (error) {
        t.true(error instanceof SluiceError);
      }
      // The time of a processor, because another process may have it meanwhile.
      const { user, system } = process.cpuUsage(start);
      t.true(user + system < 1_000_000, `${name} with ${JSON.stringify(word)}`);
    }
  }
});

test('a change is text of at most 64 KiB without control characters', (t) => {
  const refused = (bytes: Uint8Array): void => {
    const error = t.throws(() => decodeChange(bytes), { instanceOf: SluiceError });
    t.is(error?.errno, 'EINVAL');
  };
  const encode = (text: string) => new TextEncoder().encode(text);
  t.is(decodeChange(encode('rbps=1M\n')), 'rbps=1M');
  t.is(decodeChange(encode('rbps=1M')), 'rbps=1M');
  t.is(decodeChange(encode('a\n\n')), 'a\n');
  t.is(decodeChange(encode('Übung\tb')), 'Übung\tb');
  t.is(decodeChange(encode('x'.repeat(65_536))).length, 65_536);
  refused(encode('x'.repeat(65_537)));
  refused(encode('rbps=1M\0'));
  refused(encode('\x1b[31m'));
  refused(Uint8Array.of(0xff, 0xfe));
  refused(Uint8Array.of(0xc3));
});
