import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { SHELLS, type Shell, scriptFor } from '../../src/cli/shell-scripts.js';
import { SLUICE } from '../../tools/lib/program.js';
import { type Need, requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { withMount } from '../helpers/sluice-mount.js';
import { MIB, sparseFile, tempFolder } from '../helpers/temp.js';

const TAB = '\t';

/** Lines that a shell reads first, and the shell with nothing of this user's. */
const STARTS: Readonly<Record<'bash' | 'zsh', { command: string; first: string[] }>> = {
  bash: {
    command: 'bash --norc --noprofile -i',
    first: ["bind 'set bell-style none'", '. <(sluice completion bash)'],
  },
  zsh: {
    command: 'zsh -f -i',
    first: ['autoload -U compinit; compinit -u -D', 'source <(sluice completion zsh)'],
  },
};

/** A folder with a `sluice` that completes, and prints its words else: `<umount></mnt/s>`. */
function shim(t: ExecutionContext): NodeJS.ProcessEnv {
  const folder = tempFolder(t);
  const program = join(folder, 'sluice');
  const complete = `[ "$1" != completion ] || exec '${process.execPath}' '${SLUICE}' "$@"`;
  writeFileSync(program, `#!/bin/sh\n${complete}\nprintf 'ran '; printf '<%s>' "$@"; echo\n`);
  chmodSync(program, 0o755);
  const env = {
    PATH: `${folder}:${process.env.PATH}`,
    TERM: 'dumb',
    HOME: folder,
    LC_ALL: 'C.UTF-8',
  };
  return { ...env, HISTFILE: '', PS1: '', ZDOTDIR: folder };
}

/**
 * What an interactive shell runs of typed lines: the words of each `sluice`. The keys wait in the terminal until the shell
 * reads them, so it does not matter how long it takes.
 */
async function typed(
  t: ExecutionContext,
  shell: 'bash' | 'zsh',
  lines: string[],
): Promise<string[]> {
  const { command, first } = STARTS[shell];
  const env = shim(t);
  const keys = join(env.HOME!, 'keys');
  writeFileSync(keys, [...first, ...lines, 'exit', ''].join('\n'));
  // script(1) gives the shell a terminal.
  const text = await must('bash', ['-c', `script -qec '${command}' /dev/null < '${keys}'`], {
    env,
  });
  return [...text.matchAll(/^ran (.*?)\r?$/gm)].map(([, words]) => words!);
}

/** What fish offers for lines, the words alone. */
async function offered(t: ExecutionContext, lines: string[]): Promise<string[]> {
  const asks = lines.map((line) => `complete -C '${line}'; echo =====`);
  const script = ['sluice completion fish | source', ...asks].join('\n');
  const text = await must('fish', ['--no-config', '-c', script], { env: shim(t) });
  const answers = text.split('=====\n').slice(0, -1);
  return answers.map((answer) => answer.replaceAll(/\t.*$/gm, '').trimEnd());
}

for (const shell of SHELLS) {
  const need: Need[] = shell === 'bash' ? [] : [shell];
  requires(...need)(`${shell} takes its script`, async (t) => {
    const file = join(tempFolder(t), 'script');
    writeFileSync(file, scriptFor(shell as Shell));
    t.is(await must(shell, ['-n', file]), '');
  });
}

for (const shell of ['bash', 'zsh'] as const) {
  requires(...(shell === 'zsh' ? (['zsh'] as const) : []))(
    `${shell} completes commands, options and values`,
    async (t) => {
      const lines = [
        `sluice umo${TAB}x`,
        `sluice mount a --transport=fuse-n${TAB}b`,
        `sluice mount a --transport fuse-n${TAB}b`,
        `sluice info --js${TAB}b`,
        `sluice mount --group s:burst.ri${TAB}9`,
        `sluice config che${TAB}b`,
      ];
      t.deepEqual(await typed(t, shell, lines), [
        '<umount><x>',
        '<mount><a><--transport=fuse-native><b>',
        '<mount><a><--transport><fuse-native><b>',
        '<info><--json><b>',
        '<mount><--group><s:burst.riops=9>',
        '<config><check><b>',
      ]);
    },
  );
}

requires('fish')('fish completes commands, options and values', async (t) => {
  const lines = [
    'sluice umo',
    'sluice mount a --cache=p',
    'sluice mount a --cache ',
    'sluice info --js',
  ];
  t.deepEqual(await offered(t, lines), ['umount', '--cache=page', 'none\npage', '--json']);
});

requires(
  'fuse',
  'root',
  'io_uring',
  'zsh',
  'fish',
)('names of a mount are completed', async (t) => {
  const folder = tempFolder(t);
  const image = sparseFile(join(folder, 'web.img'), MIB);
  await withMount(t, [image], ['--group', 'gold:bps=10M', '--group', 'slow'], async ({ point }) => {
    const lines = [
      `sluice umount ${point.slice(0, -1)}${TAB}--force`,
      `sluice stat ${point} go${TAB}--json`,
      `sluice detach ${point} w${TAB}--force`,
      `sluice set ${point} slow member=w${TAB}x`,
    ];
    const expected = [
      `<umount><${point}><--force>`,
      `<stat><${point}><gold><--json>`,
      `<detach><${point}><web><--force>`,
      `<set><${point}><slow><member=web><x>`,
    ];
    t.deepEqual(await typed(t, 'bash', lines), expected);
    t.deepEqual(await typed(t, 'zsh', lines), expected);
    const found = await offered(t, [`sluice stat ${point} `, `sluice detach ${point} `]);
    t.deepEqual(found, ['/\ngold\nslow', 'web']);
  });
});

test('a name with a space is one word', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'a b'));
  // Names of files are the shell's own.
  const [words] = await typed(t, 'bash', [`sluice info ${folder}/a${TAB}`]);
  t.is(words, `<info><${folder}/a b/>`);
});
