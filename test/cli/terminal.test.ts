import test from 'ava';
import { run } from '../helpers/run.js';

const TERMINAL = new URL('../../src/cli/terminal.js', import.meta.url).href;

/** Runs lines of a program that has what terminal.ts exports, with redirections of the shell. */
function withOutput(lines: string, redirections: string) {
  const program = `import { note, OutputClosed, print } from '${TERMINAL}'; ${lines}`;
  const node = `"${process.execPath}" --input-type=module -e "$0" ${redirections}`;
  return run('bash', ['-c', node, program]);
}

test('a result goes to stdout, a note to stderr, each as a whole', async (t) => {
  const length = 3_000_000;
  const ended = await withOutput(`print('a'.repeat(${length})); note('b')`, '');
  t.is(ended.stdout.length, length);
  t.is(ended.stderr, 'b\n');
});

test('a note that nobody can read ends nothing', async (t) => {
  const closed = await withOutput(`note('a'); print('b')`, '2>&-');
  t.like(closed, { code: 0, stdout: 'b' });
  const full = await withOutput(`note('a'); print('b')`, '2>/dev/full');
  t.like(full, { code: 0, stdout: 'b' });
});

test('a result that cannot be written is an error, unless its reader has gone', async (t) => {
  const tell = `try { print('a') } catch (error) { note(error.message || error.constructor.name) }`;
  const full = await withOutput(tell, '>/dev/full');
  t.is(full.stderr, 'standard output: no space is left there (ENOSPC)\n');
  // The reader ends at once, which on a busy machine is later; until then a letter goes into the pipe.
  const again = `const go = () => { setTimeout(go, 5); print('a'); }; go()`;
  const end = `process.on('uncaughtException', (error) => { note(error.constructor.name); process.exit(); })`;
  t.is((await withOutput(`${end}; ${again}`, '> >(exec true)')).stderr, 'OutputClosed\n');
});
