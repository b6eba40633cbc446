import type { ImageInfo } from '../image/describe.js';
import { formatSize } from '../util/units.js';

function size(bytes: number | null): string {
  if (bytes === null) return 'unknown';
  return bytes < 1024 ? `${bytes} bytes` : `${formatSize(bytes)} (${bytes} bytes)`;
}

/** What `sluice info` prints for people. */
export function formatInfo(info: ImageInfo): string {
  const lines: [string, string][] = [
    ['image', info.path],
    ['format', info.format],
    ['kind', info.blockDevice ? 'block device' : 'regular file'],
    ['size', size(info.virtualSize)],
    ['host size', size(info.hostSize)],
    ['on disk', size(info.allocated)],
    ['alignment', info.alignment === null ? 'unknown' : `${info.alignment} bytes`],
  ];
  for (const problem of info.problems) lines.push(['problem', problem]);
  return lines.map(([key, value]) => `${`${key}:`.padEnd(11)} ${value}\n`).join('');
}
