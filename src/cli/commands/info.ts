import { describeImage } from '../../image/describe.js';
import { type Content, mapImage, sumContent } from '../../image/map-image.js';
import { type ChainOptions, type OpenLayer, openPartly } from '../../image/open-chain.js';
import { describeTable } from '../../image/read-image.js';
import { SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { IMAGE_OPERAND, IMAGE_OPTIONS, JSON_OPTION, parseImageCommand } from '../image-commands.js';
import { type FullInfo, formatInfo } from '../info-report.js';
import { parseSectorSize, SECTOR_OPTION } from '../option-values.js';
import { tableJson } from '../partition-report.js';
import { print } from '../terminal.js';

export const declaration: Declaration = {
  usage: 'sluice info IMAGE [--json]\n\nSay what an image is, without mounting it.',
  operands: IMAGE_OPERAND,
  options: { ...JSON_OPTION, ...IMAGE_OPTIONS, ...SECTOR_OPTION },
  examples: [
    ['sluice info disk.img', 'for people'],
    ['sluice info /dev/vda --json', 'for programs'],
  ],
};

export async function handler(args: Arguments): Promise<void> {
  const { path, options } = parseImageCommand(args);
  const sectorSize = parseSectorSize(args['sector-size'] as string | undefined);
  const described = describeImage(path, options);
  const sums = described.chain === null ? NOTHING : countContent(path, options);
  const chain = described.chain?.map((layer, index) => ({
    ...layer,
    content: sums.layers[index] ?? null,
  }));
  const isWhole = described.virtualSize !== null;
  const found = isWhole ? await describeTable(path, options, sectorSize) : null;
  const table = found?.table ?? null;
  const problems = [...described.problems, ...(found?.problems ?? [])];
  const sum = { chain: chain ?? null, content: sums.content };
  const info: FullInfo = { ...described, ...sum, table, problems };
  const { lines: _, table: __, ...facts } = info;
  const forPrograms = { ...facts, partitionTable: table && tableJson(table) };
  print(args.json === true ? `${JSON.stringify(forPrograms, null, 2)}\n` : formatInfo(info));
}

interface Sums {
  /** Of the image with its backing files. */
  content: Content | null;
  /** Of each layer alone. */
  layers: (Content | null)[];
}

const NOTHING: Sums = { content: null, layers: [] };

function countContent(path: string, options: ChainOptions): Sums {
  const { problem, ...chain } = openPartly(path, options);
  const count = (layers: OpenLayer[]): Content | null => {
    try {
      return sumContent(mapImage({ ...chain, layers }));
    } catch (error) {
      // The layers above a broken one can still be counted.
      if (error instanceof SluiceError) return null;
      throw error;
    }
  };
  try {
    const content = problem === null ? count(chain.layers) : null;
    return { content, layers: chain.layers.map((layer) => count([layer])) };
  } finally {
    chain.close();
  }
}
