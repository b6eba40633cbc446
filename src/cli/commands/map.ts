import { type MapEntry, mapImage } from '../../image/map-image.js';
import { checkAllUsed } from '../../image/named-files.js';
import { openChain } from '../../image/open-chain.js';
import type { Arguments, Declaration } from '../declaration.js';
import { IMAGE_OPERAND, IMAGE_OPTIONS, JSON_OPTION, parseImageCommand } from '../image-commands.js';
import { formatMap, mapJson } from '../map-report.js';
import { print } from '../terminal.js';

export const declaration: Declaration = {
  usage:
    'sluice map IMAGE [--json]\n\nSay which ranges of an image are data, zeros or holes, and where.',
  operands: IMAGE_OPERAND,
  options: { ...JSON_OPTION, ...IMAGE_OPTIONS },
  examples: [
    ['sluice map disk.img', 'for people'],
    ['sluice map disk.img --json', 'what qemu-img map --output=json prints'],
  ],
};

/** Entries printed at a time: a fragmented image has millions. */
const BATCH = 4096;

function printJson(entries: Iterable<MapEntry>): void {
  let batch: string[] = [];
  let head = '[';
  const flush = (tail: string): void => {
    print(`${head}${batch.join(',\n')}${tail}`);
    head = '';
    batch = [];
  };
  for (const entry of entries) {
    if (batch.length === BATCH) flush(',\n');
    batch.push(mapJson(entry));
  }
  flush(']\n');
}

export async function handler(args: Arguments): Promise<void> {
  const { path, options } = parseImageCommand(args);
  const chain = openChain(path, options);
  try {
    checkAllUsed(options.named, [chain.layers]);
    const entries = mapImage(chain);
    if (args.json === true) printJson(entries);
    else print(formatMap([...entries]));
  } finally {
    chain.close();
  }
}
