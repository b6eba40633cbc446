import type { PartitionSnapshot } from '../control/control.js';
import type { Partition, PartitionTable } from '../partitions/table.js';
import { typeName } from '../partitions/type-names.js';
import { oneLine } from '../util/one-line.js';
import { formatSize } from '../util/units.js';
import { type Column, formatTable } from './table.js';

/** A partition table for `sluice info`: a keyword and its text, for each line. */
export function tableLines(table: PartitionTable): (readonly [string, string])[] {
  const { scheme, sectorSize, id, isHybrid, isBackup, partitions } = table;
  const words = [
    scheme === 'gpt' ? 'GPT' : 'MBR',
    ...(isHybrid ? ['with a hybrid MBR, which does not count'] : []),
    ...(isBackup ? ['read from its backup'] : []),
    `sectors of ${sectorSize} bytes`,
    ...(id === '' ? [] : [`id ${id}`]),
  ];
  return [
    ['partitions', words.join(', ')],
    ...partitions.map((one) => [`p${one.number}`, partitionText(one)] as const),
  ];
}

function partitionText({ start, size, type, name, bootable }: Partition): string {
  const words = [
    `${formatSize(size)} from byte ${start}`,
    typeName(type) ?? `type ${type}`,
    // Quoted as JSON does: a guest chooses the name.
    ...(name === '' ? [] : [JSON.stringify(name)]),
    ...(bootable ? ['bootable'] : []),
  ];
  return words.join(', ');
}

/** The table as JSON shows it; the manual describes it. */
export function tableJson(table: PartitionTable): object {
  const { scheme, sectorSize, id, isHybrid: hybrid, isBackup: backup, partitions } = table;
  const list = partitions.map(({ isExtended: extended, ...one }) => ({
    ...one,
    extended,
    typeName: typeName(one.type),
  }));
  return { scheme, sectorSize, id, hybrid, backup, partitions: list };
}

const COLUMNS: readonly Column<PartitionSnapshot>[] = [
  { title: 'PARTITION', cell: ({ name }) => name, isText: true },
  { title: 'START', cell: ({ start }) => start },
  { title: 'SIZE', cell: ({ size }) => formatSize(size) },
  { title: 'TYPE', cell: ({ type }) => typeName(type) ?? type, isText: true },
  {
    title: 'NAME',
    cell: ({ label }) => (label === '' ? '' : oneLine(JSON.stringify(label))),
    isText: true,
  },
];

/** The partitions of a mount for people. */
export function formatPartitions(partitions: readonly PartitionSnapshot[]): string {
  return formatTable(COLUMNS, partitions);
}

/** The same for programs. */
export function partitionsJson(partitions: readonly PartitionSnapshot[]): object[] {
  return partitions.map(({ label, ...one }) => {
    return { ...one, typeName: typeName(one.type), label };
  });
}
