import { refuse } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { note, print } from '../terminal.js';
import { absolutePath, workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice config check FILE\n       sluice config schema\n\nCheck a configuration file, or print the JSON schema of such files.',
  operands: {
    action: 'check, or schema',
    file: 'the file, as --config takes it',
  },
  operandWords: { action: ['check', 'schema'] },
  options: {},
  examples: [
    ['sluice config check vm.yaml', 'says what is wrong, with line and column'],
    ['sluice config schema > sluice.schema.json', 'for editors and other programs'],
  ],
};

export async function handler({ action, file }: Arguments): Promise<void> {
  if (action === 'check' && typeof file === 'string') return check(file);
  if (action === 'schema' && file === undefined) return printSchema();
  throw refuse(`${action}: expected sluice config check FILE, or sluice config schema`);
}

async function check(file: string): Promise<void> {
  const { checkConfig } = await import('../check-config.js');
  const path = absolutePath('the file', file, workingDirectory());
  await checkConfig(path, (sentence) => note(`sluice: config: ${sentence}`));
}

async function printSchema(): Promise<void> {
  const { configSchema } = await import('../config-schema.js');
  print(`${JSON.stringify(configSchema(), null, 2)}\n`);
}
