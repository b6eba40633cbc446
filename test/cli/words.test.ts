import test from 'ava';
import { type ParsedWords, parseWords } from '../../src/cli/words.js';
import { SluiceError } from '../../src/util/errors.js';

const flag = { type: 'boolean' } as const;
const text = { type: 'string' } as const;
const DECLARED = {
  'read-only': flag,
  direct: flag,
  help: flag,
  version: flag,
  group: { ...text, repeatable: true } as const,
  overlay: text,
  'poll-us': text,
  o: { ...text, repeatable: true } as const,
};

function parse(line: string): ParsedWords {
  return parseWords(line.split(' '), DECLARED, 'sluice mount --help');
}

/** A command line, its operands, and its options or its request for help or version. */
const UNDERSTOOD: [string, string, ParsedWords['options'] | 'help' | 'version'][] = [
  ['mount a b', 'mount a b', {}],
  ['mount --read-only a b', 'mount a b', { 'read-only': true }],
  // A word "true" or "false" is not the value of a flag.
  ['mount --read-only true b', 'mount true b', { 'read-only': true }],
  ['mount a b --no-direct', 'mount a b', { direct: false }],
  ['mount --direct a b --direct', 'mount a b', { direct: true }],
  ['mount --group x:iops=1 a b', 'mount a b', { group: ['x:iops=1'] }],
  ['mount --group=x --group y a', 'mount a', { group: ['x', 'y'] }],
  ['mount --group=x --group y --group z a', 'mount a', { group: ['x', 'y', 'z'] }],
  ['mount -oro a b', 'mount a b', { o: ['ro'] }],
  ['mount -o ro a -o noatime', 'mount a', { o: ['ro', 'noatime'] }],
  ['mount --poll-us -1 a', 'mount a', { 'poll-us': '-1' }],
  ['mount --overlay=-x a', 'mount a', { overlay: '-x' }],
  ['mount -- a --read-only', 'mount a --read-only', {}],
  ['mount a -- -- b', 'mount a -- b', {}],
  ['mount -', 'mount -', {}],
  ['mount --bogus -h', 'mount', 'help'],
  ['mount a --version --help', 'mount a', 'version'],
  ['-v', '', 'version'],
];

for (const [line, operands, given] of UNDERSTOOD) {
  test(`"${line}" is understood`, (t) => {
    const parsed = parse(line);
    t.is(parsed.operands.join(' '), operands);
    if (typeof given === 'string') t.is(parsed.asked, given);
    else t.deepEqual([parsed.options, parsed.asked], [given, null]);
  });
}

const REFUSED: [string, string][] = [
  // Words that every object of JavaScript has.
  ...['toString', 'constructor', '__proto__', 'hasOwnProperty=1', 'no-constructor'].map(
    (word): [string, string] => [
      `mount --read-only a --${word}`,
      `--${word.replace('=1', '')}: unknown option; see sluice mount --help`,
    ],
  ),
  ['mount --read-only=yes a b', '--read-only: takes no value; --no-read-only is its opposite'],
  ['mount --read-only=true a b', '--read-only: takes no value; --no-read-only is its opposite'],
  ['mount --direct --no-direct a', '--direct: given as yes and as no'],
  ['mount --overlay x a --overlay x', '--overlay: given twice'],
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
  ['mount --no-driect a', '--no-driect: unknown option; did you mean --no-direct?'],
  ['mount -x a', '-x: unknown option; see sluice mount --help'],
];

for (const [line, message] of REFUSED) {
  test(`"${line}" is refused`, (t) => {
    const error = t.throws(() => parse(line), { instanceOf: SluiceError, message });
    t.is(error?.exitCode, 2);
  });
}
