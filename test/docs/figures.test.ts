import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'ava';

/**
 * What was measured stands beside the command that measures it. A table of figures is one in which most cells are a
 * number, with a unit or several numbers at most.
 */

const NUMBER = String.raw`[-+]?\d[\d,.]*(?: ?(?:%|x|K|M|[mµun]?s|[KMG]i?B(?:/s)?))?`;
const FIGURE = new RegExp(`^(?:under )?${NUMBER}(?:(?: to |, | |: | ± )${NUMBER})*(?: \\(.*\\))?$`);
const COMMAND = /\bbuild\/tools\/([\w-]+)\.js|\bmake ([\w-]+)/g;

/** Tables of numbers that are not measured, by their first line. */
const CONSTANTS = ['| model | 4 KiB | 64 KiB | 1 MiB | for |', '| cause | code |'];

interface Table {
  file: string;
  head: string;
  /** Its section, from its heading to the next one. */
  section: string;
}

function isOfFigures(rows: readonly string[]): boolean {
  const cells = rows.flatMap((row) => row.split('|').slice(2, -1)).map((cell) => cell.trim());
  const filled = cells.filter((cell) => cell !== '');
  return 2 * filled.filter((cell) => FIGURE.test(cell)).length > filled.length;
}

function tablesOf(file: string, text: string): Table[] {
  return text.split(/^(?=#+ )/m).flatMap((section) =>
    (section.match(/^(?:\|.*\n)+/gm) ?? []).flatMap((table) => {
      const [head, , ...rows] = table.trimEnd().split('\n');
      return isOfFigures(rows) ? [{ file, head: head!, section }] : [];
    }),
  );
}

/** Commands of a section that measure and are there. */
function measuring(section: string, makefile: string): string[] {
  return [...section.matchAll(COMMAND)]
    .filter(([, tool, target]) =>
      tool === undefined ? makefile.includes(`\n${target}:`) : existsSync(`tools/${tool}.ts`),
    )
    .map(([command]) => command);
}

const PAGES = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
);
const TABLES = PAGES.flatMap((path) => tablesOf(path, readFileSync(path, 'utf8')));
const MAKEFILE = readFileSync('Makefile', 'utf8');

test('a table of figures is told from one of words', (t) => {
  const found = (rows: string): number => tablesOf('', `| a | b |\n|---|---|\n${rows}`).length;
  t.is(found('| reads | 12.5 K |\n| writes | 97 % |\n'), 1);
  t.is(found('| reads | 108 (0.21) |\n| writes | read-only |\n| both | 99.4, 98.3 |\n'), 1);
  t.is(found('| 80:20 | 60.0 20.0 20.0 |\n'), 1);
  t.is(found('| 50 ms | so often a host looks |\n| 4 s | after this silence |\n'), 0);
});

test('each table of figures has the command that measures it in its section', (t) => {
  t.true(TABLES.length > 10);
  const without = TABLES.filter(
    ({ head, section }) => !CONSTANTS.includes(head) && measuring(section, MAKEFILE).length === 0,
  );
  t.deepEqual(
    without.map(({ file, head }) => `${file}: ${head}`),
    [],
  );
});

test('each tool that the docs name is there', (t) => {
  const missing = PAGES.flatMap((path) => {
    const named = [...readFileSync(path, 'utf8').matchAll(/build\/tools\/([\w-]+)\.js/g)];
    return named
      .filter(([, tool]) => !existsSync(`tools/${tool}.ts`))
      .map(([name]) => `${path}: ${name}`);
  });
  t.deepEqual(missing, []);
});
