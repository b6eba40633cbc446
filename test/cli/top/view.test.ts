import test from 'ava';
import { BINDINGS } from '../../../src/cli/top/keys.js';
import { ASCII, type Glyphs, lineWidth, UNICODE } from '../../../src/cli/top/spans.js';
import { FIRST_STATE, type State } from '../../../src/cli/top/state.js';
import { plainText } from '../../../src/cli/top/styles.js';
import { linesOf, type Size } from '../../../src/cli/top/view.js';
import { parseGroup } from '../../../src/tree/reports.js';
import { GROUPS, testSight } from '../../helpers/top-sight.js';

const SMALL = { columns: 80, rows: 24 };

function drawn(
  changes: Partial<State> = {},
  size: Size = SMALL,
  glyphs: Glyphs = UNICODE,
): string[] {
  return linesOf(testSight(), { ...FIRST_STATE, ...changes }, size, glyphs).map(plainText);
}

test('80 x 24', (t) => {
  t.deepEqual(drawn({ chosen: '/lab/slow' }), [
    'sluice top  /mnt/s  uring                                               14:02:11',
    '1k requests/s  3.9 MiB/s read  0 B/s written  512 queued  2 of 8 in flight',
    '  GROUP         REQ/S    BYTES/S LIMIT USED  SHARE GOT/DUE QUEUED     WAIT PRESS',
    ' ▾ /               1k    3.9 MiB                              512   6.4 ms   43%',
    '   ▾ gold         750    2.9 MiB             ███│   75/80%      0   250 us   43%',
    '       web        750    2.9 MiB                                0   250 us',
    '   ▾ silver       250   1000 KiB             █│··   25/20%     30   900 us   43%',
    '       db         250   1000 KiB                               30   900 us',
    '   ▾ lab           10     40 KiB                              482      2 s   43%',
    '>    ▾ slow        10     40 KiB ██████ 100%                  482      2 s   43%',
    '         disk…     10     40 KiB                              482      2 s',
    '',
    '',
    '',
    '',
    '─ lab/slow ────────────────────────────────────────────────────────────────────',
    'limits    iops 10 of 10, burst 50 for 5 s',
    'weight    100; latency target 2 ms',
    'times     wait 2 s, p99 4 s; service 50 us, p99 200 us',
    'waits for the limit iops of lab/slow',
    'pressure  some 43.0% 8.9% 1.0%; full 0.0% 0.0% 0.0% (10 s, 60 s, 5 min)',
    'minute                                                            █  max 10/s',
    '',
    '? help  q quit  c callers  w + - weight  l limits  u undo  s sort  / filter',
  ]);
});

test('a screen has as many lines as the terminal, none wider', (t) => {
  const sizes = [20, 40, 60, 80, 100, 140, 200].flatMap((columns) =>
    [1, 5, 12, 24, 60].map((rows) => ({ columns, rows })),
  );
  for (const size of sizes) {
    for (const view of ['groups', 'callers', 'images', 'help'] as const) {
      const lines = linesOf(testSight(), { ...FIRST_STATE, view }, size, UNICODE);
      t.is(lines.length, size.rows);
      t.true(lines.every((line) => lineWidth(line) <= size.columns));
    }
  }
});

test('names from images and users send nothing to the terminal', (t) => {
  const all = drawn({}, { columns: 200, rows: 60 }).join('\n');
  t.false(all.includes('\u001b'));
  t.true(all.includes('disk\\x1b[2J'));
});

test('without UTF-8 there are only ASCII characters', (t) => {
  for (const view of ['groups', 'callers', 'images', 'help'] as const) {
    t.regex(drawn({ view }, { columns: 200, rows: 60 }, ASCII).join(''), /^[\x20-\x7e]*$/);
  }
});

test('of many groups those around the chosen one are shown', (t) => {
  const groups = Array.from({ length: 1000 }, (_, index) => parseGroup(`g${index}`, {}));
  const sight = testSight([GROUPS[0]!, ...groups]);
  const state = { ...FIRST_STATE, chosen: '/g500' };
  const lines = linesOf(sight, state, SMALL, UNICODE).map(plainText);
  t.is(lines.filter((line) => /^.{5}g\d+ /.test(line)).length, 12);
  t.true(lines.some((line) => line.startsWith('>    g500 ')));
});

test('the help has every key', (t) => {
  const help = drawn({ view: 'help' }).join('\n');
  for (const binding of BINDINGS) t.true(help.includes(binding.help), binding.help);
});

test('a prompt stands above the keys, with what is set now', (t) => {
  const prompt = {
    kind: 'settings',
    path: 'gold',
    before: 'weight=',
    now: 'weight=80',
    text: '9',
  } as const;
  t.deepEqual(drawn({ prompt }).slice(-2), [
    'gold (now weight=80): weight=9_',
    'Enter set  Esc leave  Ctrl-U empty',
  ]);
});

test('the head tells the order and the filter of the rows', (t) => {
  t.is(
    drawn({ order: 'bytes', filter: 'd' })[0]!.slice(0, 45),
    'sluice top  /mnt/s  uring  by bytes  only "d"',
  );
});

test('the prompt for limits tells how to take one away', (t) => {
  const prompt = { kind: 'settings', path: 'gold', before: '', now: 'iops=9', text: '' } as const;
  t.is(drawn({ prompt }).at(-1), 'Enter set  Esc leave  Ctrl-U empty  iops=max takes a limit away');
});

test('a long message takes both lines at the bottom, and ends with the sign of more only there', (t) => {
  const told = (words: number) =>
    drawn({ message: { text: Array(words).fill('word').join(' '), isError: true } }).slice(-2);
  t.deepEqual(told(20), [Array(16).fill('word').join(' '), Array(4).fill('word').join(' ')]);
  t.deepEqual(told(40)[1], `${Array(16).fill('word').join(' ')}…`);
  t.true(told(2)[1]!.startsWith('? help'));
});

test('an error about what is typed stands below it', (t) => {
  const prompt = { kind: 'settings', path: 'gold', before: '', now: '', text: 'foo=3' } as const;
  const message = { text: 'foo=3: no key "foo"', isError: true };
  t.deepEqual(drawn({ prompt, message }).slice(-2), [
    'gold (nothing set): foo=3_',
    'foo=3: no key "foo"',
  ]);
});

test('the rule beside a name of wide characters ends with the screen', (t) => {
  const sight = testSight([GROUPS[0]!, parseGroup('データ', {})]);
  const state = { ...FIRST_STATE, chosen: '/データ' };
  const lines = linesOf(sight, state, SMALL, UNICODE).map(plainText);
  t.true(lines.includes(`─ データ ${'─'.repeat(70)}`));
});
