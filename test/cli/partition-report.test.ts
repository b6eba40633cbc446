import test from 'ava';
import {
  formatPartitions,
  partitionsJson,
  tableJson,
  tableLines,
} from '../../src/cli/partition-report.js';
import type { PartitionTable } from '../../src/partitions/table.js';

const TABLE: PartitionTable = {
  scheme: 'gpt',
  sectorSize: 512,
  id: '3FA0E5A7-DD3B-0A4A-96AF-5FDBC0B171C2',
  isHybrid: true,
  isBackup: true,
  partitions: [
    {
      number: 1,
      start: 1048576,
      size: 10485760,
      type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
      name: 'EFI\n"x"',
      uuid: 'BF60FC29-B8DE-5445-AC01-E7E5B25DE3CF',
      bootable: true,
      isExtended: false,
    },
  ],
  problems: [],
};

test('a table for people', (t) => {
  t.deepEqual(tableLines(TABLE), [
    [
      'partitions',
      'GPT, with a hybrid MBR, which does not count, read from its backup, sectors of 512 bytes, id 3FA0E5A7-DD3B-0A4A-96AF-5FDBC0B171C2',
    ],
    ['p1', '10 MiB from byte 1048576, EFI system, "EFI\\n\\"x\\"", bootable'],
  ]);
  const [partition] = TABLE.partitions;
  const unnamed = { ...partition!, name: '', type: 'ab', bootable: false, number: 5 };
  const mbr: PartitionTable = {
    ...TABLE,
    ...{ scheme: 'mbr', id: '0x17d55212', isHybrid: false, isBackup: false },
    partitions: [unnamed],
  };
  t.deepEqual(tableLines(mbr), [
    ['partitions', 'MBR, sectors of 512 bytes, id 0x17d55212'],
    ['p5', '10 MiB from byte 1048576, type ab'],
  ]);
});

test('a table for programs', (t) => {
  t.deepEqual(tableJson(TABLE), {
    scheme: 'gpt',
    sectorSize: 512,
    id: '3FA0E5A7-DD3B-0A4A-96AF-5FDBC0B171C2',
    hybrid: true,
    backup: true,
    partitions: [
      {
        number: 1,
        start: 1048576,
        size: 10485760,
        type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
        name: 'EFI\n"x"',
        uuid: 'BF60FC29-B8DE-5445-AC01-E7E5B25DE3CF',
        bootable: true,
        extended: false,
        typeName: 'EFI system',
      },
    ],
  });
});

test('the partitions of a mount', (t) => {
  const root = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
  const list = [
    { name: 'vm.p1', start: 1048576, size: 10485760, type: root, label: 'a "b"\u009b31m' },
    { name: 'vm.p12', start: 11534336, size: 512, type: 'ab', label: '' },
  ];
  t.is(
    formatPartitions(list),
    [
      'PARTITION     START    SIZE  TYPE              NAME',
      'vm.p1       1048576  10 MiB  Linux filesystem  "a \\"b\\"\\x9b31m"',
      'vm.p12     11534336   512 B  ab',
      '',
    ].join('\n'),
  );
  t.deepEqual(partitionsJson(list.slice(1)), [
    { name: 'vm.p12', start: 11534336, size: 512, type: 'ab', typeName: null, label: '' },
  ]);
});
