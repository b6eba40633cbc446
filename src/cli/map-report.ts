import type { MapEntry } from '../image/map-image.js';
import { oneLine } from '../util/one-line.js';
import { formatTable } from './table.js';

/** One entry as `qemu-img map --output=json` writes it. */
export function mapJson(entry: MapEntry): string {
  const { start, length, depth, present, zero, data, offset } = entry;
  const place = offset === null ? '' : `, "offset": ${offset}`;
  return `{ "start": ${start}, "length": ${length}, "depth": ${depth}, "present": ${present}, "zero": ${zero}, "data": ${data}${place}}`;
}

function kindOf(entry: MapEntry): string {
  if (entry.compressed) return 'compressed';
  if (entry.data) return entry.zero ? 'zeros' : 'data';
  return entry.present ? 'zeros' : 'hole';
}

/** The output of `sluice map` for people. */
export function formatMap(entries: readonly MapEntry[]): string {
  return formatTable(
    [
      { title: 'START', align: 'right' },
      { title: 'LENGTH', align: 'right' },
      { title: 'KIND', align: 'left' },
      { title: 'LAYER', align: 'right' },
      { title: 'OFFSET', align: 'right' },
      { title: 'FILE', align: 'left' },
    ],
    entries.map((entry) => [
      String(entry.start),
      String(entry.length),
      kindOf(entry),
      String(entry.depth),
      entry.offset === null ? '-' : String(entry.offset),
      oneLine(entry.file ?? ''),
    ]),
  );
}
