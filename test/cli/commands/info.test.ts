import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeTable, told } from '../../helpers/partition-tools.js';
import { requires } from '../../helpers/requires.js';
import { sluice } from '../../helpers/run.js';
import { MIB, TMPFS, tempFolder } from '../../helpers/temp.js';

const sfdiskTest = requires('sfdisk');

sfdiskTest('info lists partitions as sfdisk does, and the faults of the table', async (t) => {
  const script = 'label: gpt\nsize=8192,name=one,type=uefi\nsize=8192,name="two, three"\n';
  const path = makeTable(join(tempFolder(t, TMPFS), 'disk.img'), 32 * MIB, script);
  const { partitions, ...table } = told(path);
  const list = partitions.map(({ isExtended: extended, ...one }, index) => {
    return { ...one, extended, typeName: ['EFI system', 'Linux filesystem'][index] };
  });
  const info = async () => JSON.parse((await sluice(['info', path, '--json'])).stdout);
  const sound = await info();
  const { partitionTable, problems } = sound;
  t.deepEqual(partitionTable, { ...table, hybrid: false, backup: false, partitions: list });
  t.deepEqual(problems, []);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(8), 0, 8, 512);
  closeSync(file);
  const damaged = await info();
  t.deepEqual(damaged.partitionTable, { ...partitionTable, backup: true });
  t.deepEqual(damaged.problems, ['partition table: the first GPT: there is no header']);
  const { stdout, code } = await sluice(['info', path, '--sector-size', '4096']);
  t.is(code, 0);
  t.regex(
    stdout,
    /\npartitions: +GPT, sectors of 4096 bytes\nproblem: +partition table: the first GPT/,
  );
});
