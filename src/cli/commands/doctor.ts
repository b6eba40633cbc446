import type { Diagnosis } from '../../server/doctor.js';
import { EXIT_MOUNT, SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { print } from '../terminal.js';

export const declaration: Declaration = {
  usage:
    'sluice doctor [--json]\n       sluice doctor --shared URL [--json]\n\n' +
    'Say what this machine offers. Exit 0: a mount would work.',
  operands: {},
  options: {
    json: { type: 'boolean', describe: 'print JSON' },
    shared: { type: 'string', describe: 'URL: try the store of a group that hosts share' },
  },
  examples: [
    ['sluice doctor --shared valkey://10.0.0.5/gold', 'whether a store can be used'],
    ['sluice doctor', 'for people'],
    ['sluice doctor --json', 'for programs'],
  ],
};

/** Tries a store, and nothing else. */
async function reportStore(url: string, isJson: boolean): Promise<void> {
  const { tryStore } = await import('../../server/try-store.js');
  const { median, most } = await tryStore(url);
  const found = `answers in ${median.toFixed(2)} ms, at most ${most.toFixed(2)} ms`;
  print(isJson ? `${JSON.stringify({ works: true, median, most })}\n` : `${url} ${found}\n`);
}

export async function handler(args: Arguments): Promise<void> {
  if (args.shared !== undefined) return reportStore(String(args.shared), args.json === true);
  const { diagnose } = await import('../../server/doctor.js');
  const diagnosis = await diagnose();
  const text = args.json === true ? `${JSON.stringify(diagnosis, null, 2)}\n` : report(diagnosis);
  print(text);
  if (diagnosis.works) return;
  throw new SluiceError('a mount would not work here; see above', 'ENOSYS', EXIT_MOUNT);
}

function report({ works, transport, why, checks }: Diagnosis): string {
  const lines = checks.flatMap(({ name, state, found, advice }) => {
    const line = `${name.padEnd(18)}${state.padEnd(5)}${found}`;
    return advice === '' ? [line] : [line, `${' '.repeat(23)}-> ${advice}`];
  });
  const choice = transport === null ? `no transport works: ${why}` : `auto: ${transport} (${why})`;
  return `${[...lines, '', choice, works ? 'a mount would work' : 'a mount would not work'].join('\n')}\n`;
}
