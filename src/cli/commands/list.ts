import { listMounts } from '../../server/list-mounts.js';
import type { Arguments, Declaration } from '../declaration.js';
import { JSON_OPTION } from '../image-commands.js';
import { formatList } from '../list-report.js';
import { print } from '../terminal.js';

export const declaration: Declaration = {
  usage: 'sluice list [--json]\n\nList the mounts of this user, with their images and daemons.',
  operands: {},
  options: JSON_OPTION,
  examples: [
    ['sluice list', 'a line for each image'],
    ['sluice list --json', 'for programs'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const mounts = await listMounts();
  print(args.json === true ? `${JSON.stringify(mounts, null, 2)}\n` : formatList(mounts));
}
