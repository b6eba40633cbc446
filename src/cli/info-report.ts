import type { ImageInfo, LayerInfo } from '../image/describe.js';
import type { Content } from '../image/map-image.js';
import { isNbdUri } from '../nbd/uri.js';
import type { PartitionTable } from '../partitions/table.js';
import { oneLine } from '../util/one-line.js';
import { formatSize } from '../util/units.js';
import { tableLines } from './partition-report.js';

/** All facts that `sluice info` prints. */
export interface FullInfo extends ImageInfo {
  /** Of the image with its backing files. Null where it cannot be told. */
  content: Content | null;
  chain: FullLayer[] | null;
  /** Null if it has none. */
  table: PartitionTable | null;
}

/** An image of a chain, with its own content. */
export interface FullLayer extends LayerInfo {
  /** Null where it cannot be told. */
  content: Content | null;
}

function size(bytes: number | null): string {
  if (bytes === null) return 'unknown';
  return bytes < 1024 ? `${bytes} bytes` : `${formatSize(bytes)} (${bytes} bytes)`;
}

/** The output of `sluice info` for people. */
export function formatInfo(info: FullInfo): string {
  const lines: (readonly [string, string])[] = [
    ['image', info.path],
    ['format', info.format],
    ['kind', kindOf(info)],
    ['size', size(info.virtualSize)],
    ['host size', size(info.hostSize)],
    ['on disk', size(info.allocated)],
    ['alignment', info.alignment === null ? 'unknown' : `${info.alignment} bytes`],
    ['passthrough', formatPassthrough(info)],
  ];
  if (info.content !== null) lines.push(['content', formatContent(info.content)]);
  lines.push(...info.lines);
  const [own, ...below] = info.chain ?? [];
  if (own !== undefined && below.length > 0) lines.push(['of its own', formatLayer(own)]);
  for (const layer of below) {
    const { path, format, virtualSize } = layer;
    const what = `${format}, ${formatSize(virtualSize)}: ${formatLayer(layer)}`;
    lines.push(['backing', `${path} (${what})`]);
  }
  for (const { id, name, date, virtualSize, stateSize } of info.snapshots) {
    const state = stateSize === 0 ? '' : `, ${formatSize(stateSize)} of machine state`;
    lines.push([
      'snapshot',
      `${id} ${JSON.stringify(name)} ${date}, ${formatSize(virtualSize)}${state}`,
    ]);
  }
  if (info.table !== null) lines.push(...tableLines(info.table));
  for (const problem of info.problems) lines.push(['problem', problem]);
  return lines.map(([key, value]) => `${`${key}:`.padEnd(12)} ${oneLine(value)}\n`).join('');
}

function kindOf({ path, blockDevice }: FullInfo): string {
  if (isNbdUri(path)) return 'NBD export';
  return blockDevice ? 'block device' : 'regular file';
}

function formatPassthrough({ passthroughProblem: problem }: FullInfo): string {
  return problem === null ? 'possible' : `no: ${problem}`;
}

function formatLayer({ content, allocated }: FullLayer): string {
  const what = content === null ? 'unknown' : formatContent(content);
  return `${what}; ${formatSize(allocated)} on disk`;
}

function formatContent({ data, compressed, zero, hole }: Content): string {
  const parts = [`${formatSize(data)} data`];
  if (compressed > 0) parts.push(`${formatSize(compressed)} compressed`);
  parts.push(`${formatSize(zero)} zeros`, `${formatSize(hole)} holes`);
  return parts.join(', ');
}
