import type { Arguments, Command, Declaration } from '../declaration.js';
import { oneWord } from '../option-values.js';
import { SHELLS, type Shell, scriptFor } from '../shell-scripts.js';
import { print } from '../terminal.js';

export const declaration: Declaration = {
  usage:
    'sluice completion bash|zsh|fish\n\nPrint a script with which the shell completes commands, options, mount points, groups and images.',
  operands: {
    shell: SHELLS.join(', '),
    line: 'used by the script, after --: the words so far',
  },
  operandWords: { shell: SHELLS },
  options: {},
  examples: [
    ['. <(sluice completion bash)', 'in ~/.bashrc; or into a file of bash-completion'],
    ['sluice completion zsh > ~/.zfunc/_sluice', 'a folder of $fpath'],
    ['sluice completion fish > ~/.config/fish/completions/sluice.fish', 'fish'],
  ],
};

export async function handler(args: Arguments, commands: readonly Command[]): Promise<void> {
  const shell: Shell = oneWord('completion', String(args.shell), SHELLS);
  const line = (args.line ?? []) as readonly string[];
  print(line.length === 0 ? scriptFor(shell) : await answer(shell, line, commands));
}

/** Loaded only here: the script itself is printed without. */
async function answer(
  shell: Shell,
  line: readonly string[],
  commands: readonly Command[],
): Promise<string> {
  const { completeLine } = await import('../complete-line.js');
  return completeLine(shell, line, commands);
}
