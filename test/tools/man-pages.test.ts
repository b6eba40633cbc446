import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { configSchema } from '../../src/cli/config-schema.js';
import { manPages } from '../../tools/man-pages.js';
import { requires } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';

// They are part of the program: tools/bundle.ts has written them.
const FOLDER = 'dist/man';
const FILES = readdirSync(FOLDER).map((name) => join(FOLDER, name));

/** A page as a reader sees it, each run of spaces one space. */
async function shown(name: string): Promise<string> {
  const text = await must('mandoc', ['-T', 'utf8', '-O', 'width=200', join(FOLDER, name)]);
  // Bold letters and underlined ones are printed twice.
  return text.replaceAll(/.[\b]/g, '').replaceAll(/\s+/g, ' ');
}

test('there is a page for sluice, each command, the file and the helper of mount(8)', async (t) => {
  const pages = [...(await manPages()).keys()].sort();
  const commands = COMMANDS.map(({ name }) => `sluice-${name}.1`);
  t.deepEqual(pages, ['mount.fuse.sluice.8', 'sluice.1', 'sluice.yaml.5', ...commands].sort());
  t.deepEqual(readdirSync(FOLDER).sort(), pages);
  // npm links those to where man looks. `make docs-test` demands all.
  const { man } = JSON.parse(readFileSync('package.json', 'utf8')) as { man: string[] };
  const named = man.map((path) => path.replace('dist/man/', ''));
  if (process.env.SLUICE_DOCS === 'strict') t.deepEqual(named.sort(), pages);
});

requires('mandoc')('mandoc has nothing to say against the pages', async (t) => {
  const { stdout, stderr, code } = await run('mandoc', ['-T', 'lint', '-W', 'warning', ...FILES]);
  t.deepEqual({ stdout, stderr, code }, { stdout: '', stderr: '', code: 0 });
});

requires('man')('man shows every page without a warning', async (t) => {
  for (const file of FILES) {
    const words = ['--warnings', '--encoding=UTF-8', '--local-file', file];
    const { stdout, stderr, code } = await run('man', words, {
      env: { ...process.env, MANPAGER: 'cat', MANWIDTH: '80', LC_ALL: 'C.UTF-8' },
    });
    t.deepEqual({ stderr, code }, { stderr: '', code: 0 }, file);
    t.regex(stdout, /NAME/, file);
  }
});

requires('mandoc')(
  'each page has all options of its command, its operands and examples',
  async (t) => {
    for (const { name, load } of COMMANDS) {
      const { usage, options, operands, examples } = (await load()).declaration;
      const page = await shown(`sluice-${name}.1`);
      for (const option of Object.keys(options)) {
        const written = option.length === 1 ? `-${option}` : `--${option}`;
        t.regex(page, new RegExp(` ${written} `), `${name} ${written}`);
      }
      for (const operand of Object.keys(operands)) t.true(page.includes(operand.toUpperCase()));
      for (const [line] of examples) t.true(page.includes(line), line);
      t.true(page.includes(usage.split('\n')[0]!), usage);
    }
  },
);

requires('mandoc')(
  'sluice(1) has all commands and exit codes, sluice.yaml(5) all keys',
  async (t) => {
    const page = await shown('sluice.1');
    for (const { name, synopsis } of COMMANDS) {
      t.true(page.includes(`sluice ${synopsis} `), synopsis);
      t.true(page.includes(`sluice-${name}(1)`), name);
    }
    t.regex(page, /EXIT STATUS 0 done 1 failed: .* 2 wrong usage: .* 3 .* 4 .* 5 the daemon died/);
    const file = await shown('sluice.yaml.5');
    const { properties } = configSchema();
    t.is(Object.keys(properties as object).length, 5);
    for (const key of Object.keys(properties as object)) t.regex(file, new RegExp(` ${key} `));
    for (const key of [
      'images.NAME.metadata-cache',
      'groups.NAME.burst.bps',
      'options.allow-other',
    ]) {
      t.true(file.includes(` ${key} `), key);
    }
  },
);
