import { join } from 'node:path';
import { openChain } from '../../src/image/open-chain.js';
import { findTable } from '../../src/image/read-image.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { makeTable, told } from '../helpers/partition-tools.js';
import { requires } from '../helpers/requires.js';
import { MIB, TMPFS, tempFolder } from '../helpers/temp.js';

const qemuTest = requires('qemu', 'sfdisk');

const AUTO = { format: 'auto', backingFormats: [], snapshot: null };
/** Formats that `qemu-img convert` writes, as words of it. */
const WAYS = [
  ['-O', 'raw', '-S', '4k'],
  ['-O', 'qcow2'],
  ['-O', 'qcow2', '-c'],
  ['-O', 'qcow2', '-c', '-o', 'compression_type=zstd'],
  ['-O', 'qcow2', '-o', 'cluster_size=512'],
  ['-O', 'qcow2', '-o', 'cluster_size=2M,extended_l2=on'],
  ['-O', 'vmdk'],
  ['-O', 'vmdk', '-o', 'subformat=streamOptimized'],
  ['-O', 'vpc', '-o', 'force_size=on'],
  ['-O', 'vhdx'],
  ['-O', 'vdi'],
];

for (const words of WAYS) {
  qemuTest(`the table of an image is read: ${words.join(' ')}`, async (t) => {
    const maker = new Maker(tempFolder(t, TMPFS));
    const script = 'label: gpt\nsize=8192,name=one\n128: size=8192,name=last\n';
    const plain = makeTable(join(maker.folder, 'plain.img'), 32 * MIB, script);
    maker.img('convert', '-f', 'raw', ...words, 'plain.img', 'disk.any');
    const chain = openChain(maker.path('disk.any'), AUTO);
    t.teardown(() => chain.close());
    const { table, failure, ranges } = await findTable(chain, null);
    const { problems, isHybrid: _, isBackup: __, ...rest } = table!;
    t.deepEqual(rest, told(plain));
    t.deepEqual([failure, problems], ['', []]);
    t.true(ranges.every(({ offset, length }) => offset + length <= 32 * MIB));
  });
}

qemuTest('a table in a cluster that is broken cannot be read', async (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  makeTable(join(maker.folder, 'plain.img'), 32 * MIB, 'label: gpt\nsize=8192\n');
  maker.img('convert', '-c', '-f', 'raw', '-O', 'qcow2', 'plain.img', 'disk.qcow2');
  // The first compressed cluster lies behind four clusters of tables and the header.
  for (let at = 0; at < 8; at++) maker.poke('disk.qcow2', 5 * 65536 + at, 0xff);
  const chain = openChain(maker.path('disk.qcow2'), AUTO);
  t.teardown(() => chain.close());
  const { table, failure } = await findTable(chain, null);
  t.deepEqual([table, failure], [null, 'an I/O error of the disk, or a broken image (EIO)']);
});
