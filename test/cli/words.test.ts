import test from 'ava';
import { operand, plainWords } from '../../src/cli/words.js';
import { SluiceError } from '../../src/util/errors.js';

const DECLARED = {
  flags: ['read-only', 'direct', 'help', 'version'],
  texts: ['group', 'overlay', 'poll-us', 'o'],
};

function plain(line: string): string[] {
  return plainWords(line.split(' '), DECLARED, 'sluice mount --help');
}

/** A command line, and the words passed to yargs. */
const PLAIN: [string, string[]][] = [
  ['mount a b', ['mount', 'a', 'b']],
  ['mount --read-only a b', ['mount', 'a', 'b', '--read-only=true']],
  // yargs would take a word "true" or "false" as the value of a flag.
  ['mount --read-only true b', ['mount', 'true', 'b', '--read-only=true']],
  ['mount a b --no-direct', ['mount', 'a', 'b', '--direct=false']],
  ['mount --direct a b --direct', ['mount', 'a', 'b', '--direct=true', '--direct=true']],
  ['mount --group x:iops=1 a b', ['mount', 'a', 'b', '--group=x:iops=1']],
  ['mount --group=x --group y a', ['mount', 'a', '--group=x', '--group=y']],
  ['mount -oro a b', ['mount', 'a', 'b', '-o=ro']],
  ['mount -o ro a -o noatime', ['mount', 'a', '-o=ro', '-o=noatime']],
  ['mount --poll-us -1 a', ['mount', 'a', '--poll-us=-1']],
  ['mount --overlay=-x a', ['mount', 'a', '--overlay=-x']],
  ['mount -- a --read-only', ['mount', 'a', '\0--read-only']],
  ['mount a -- -- b', ['mount', 'a', '\0--', 'b']],
  ['mount -', ['mount', '\0-']],
  ['mount --bogus -h', ['mount', '--help']],
  ['-v', ['--version']],
];

for (const [line, words] of PLAIN) {
  test(`"${line}" is understood`, (t) => {
    t.deepEqual(plain(line), words);
  });
}

const REFUSED: [string, string][] = [
  ['mount --read-only=yes a b', '--read-only: takes no value; --no-read-only is its opposite'],
  ['mount --read-only=true a b', '--read-only: takes no value; --no-read-only is its opposite'],
  ['mount --direct --no-direct a', '--direct: given as yes and as no'],
  ['mount a --group', '--group: its value is missing'],
  ['mount a --group=', '--group: its value is empty'],
  ['mount a --overlay  b', '--overlay: its value is empty'],
  [
    'mount --overlay --read-only a',
    '--overlay: its value is missing before --read-only; write --overlay=--read-only if that is the value',
  ],
  ['mount --no-group a', '--no-group: unknown option; see sluice mount --help'],
  ['mount --group.x=y a', '--group.x: unknown option; did you mean --group?'],
  ['mount --readOnly a', '--readOnly: unknown option; did you mean --read-only?'],
  ['mount --overlya=x a', '--overlya: unknown option; did you mean --overlay?'],
  ['mount -x a', '-x: unknown option; see sluice mount --help'],
];

for (const [line, message] of REFUSED) {
  test(`"${line}" is refused`, (t) => {
    const error = t.throws(() => plain(line), { instanceOf: SluiceError, message });
    t.is(error?.exitCode, 2);
  });
}

test('operands come out as they were typed', (t) => {
  const [, ...words] = plain('mount a -- --read-only');
  t.deepEqual(operand(words), ['a', '--read-only']);
});
