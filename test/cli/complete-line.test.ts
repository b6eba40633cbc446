import test from 'ava';
import { COMMANDS } from '../../src/cli/commands.js';
import { completeLine, splitLine } from '../../src/cli/complete-line.js';

test('a line of bash is split as the shell does', (t) => {
  t.deepEqual(splitLine('sluice mount '), ['sluice', 'mount', '']);
  t.deepEqual(splitLine('sluice  mount --ca'), ['sluice', 'mount', '--ca']);
  t.deepEqual(splitLine(String.raw`sluice umount /mnt/a\ b`), ['sluice', 'umount', '/mnt/a b']);
  t.deepEqual(splitLine(`sluice info "a 'b' \\" c" 'd "e`), [
    'sluice',
    'info',
    `a 'b' " c`,
    'd "e',
  ]);
  t.deepEqual(splitLine(String.raw`sluice info a\ `), ['sluice', 'info', 'a ']);
  t.deepEqual(splitLine(''), ['']);
});

test('bash gets what comes after the piece that it keeps', async (t) => {
  t.is(await completeLine('bash', ['pa', 'sluice mount --cache=pa'], COMMANDS), 'page\n');
  t.is(await completeLine('bash', ['=', 'sluice mount --cache='], COMMANDS), 'none\npage\n');
  t.is(
    await completeLine('bash', [':', 'sluice mount --group a:'], COMMANDS).then(
      (all) => all.split('\n')[0],
    ),
    'rbps=',
  );
  // Without = among the separators of words (COMP_WORDBREAKS) it replaces all.
  t.is(
    await completeLine('bash', ['--cache=pa', 'sluice mount --cache=pa'], COMMANDS),
    '--cache=page\n',
  );
});

test('zsh and fish get words with their help', async (t) => {
  t.is(await completeLine('fish', ['umo'], COMMANDS), 'umount\tflush, unmount, wait for the end\n');
  t.is(
    await completeLine('zsh', ['detach', '/nowhere', 'x', '--fo'], COMMANDS).then(
      (text) => text.split('\t')[0],
    ),
    '--force',
  );
  t.is(await completeLine('zsh', ['detach', '/nowhere', ''], COMMANDS), '');
});
