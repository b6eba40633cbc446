import type { MapEntry } from '../image/map-image.js';
import { oneLine } from '../util/one-line.js';
import { type Column, formatTable } from './table.js';

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

const COLUMNS: readonly Column<MapEntry>[] = [
  { title: 'START', cell: ({ start }) => start },
  { title: 'LENGTH', cell: ({ length }) => length },
  { title: 'KIND', cell: kindOf, isText: true },
  { title: 'LAYER', cell: ({ depth }) => depth },
  { title: 'OFFSET', cell: ({ offset }) => offset ?? '-' },
  { title: 'FILE', cell: ({ file }) => oneLine(file ?? ''), isText: true },
];

/** The output of `sluice map` for people. */
export function formatMap(entries: readonly MapEntry[]): string {
  return formatTable(COLUMNS, entries);
}
