import type { ExecutionContext } from 'ava';
import { LocalFile } from '../../../src/host/local-file.js';
import { openImage, type QcowImage } from '../../../src/image/qcow2/open-image.js';
import { SluiceError } from '../../../src/util/errors.js';
import { Maker } from '../../../tools/lib/image-maker.js';
import { qemuTest } from '../../formats/needs.js';
import { TMPFS, tempFolder } from '../../helpers/temp.js';

function open(t: ExecutionContext, maker: Maker, snapshot: string | null = null): QcowImage {
  const file = new LocalFile(maker.path('top.qcow2'));
  t.teardown(() => file.close());
  const openDataFile = (name: string): LocalFile => {
    const data = new LocalFile(name);
    t.teardown(() => data.close());
    return data;
  };
  return openImage(file, { snapshot, openDataFile });
}

qemuTest('an image tells its size, its units and its backing file', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.raw('base.img', 1 << 20);
  maker.create('top.qcow2', '1000100', 'extended_l2=on', '-b', 'base.img', '-F', 'raw');
  const image = open(t, maker);
  t.is(image.size, Math.ceil(1_000_100 / 512) * 512);
  t.is(image.unitBytes, 2048);
  t.deepEqual(image.backing, { names: ['base.img'], format: 'raw' });
  t.deepEqual([...image.methods], ['zlib']);
  t.true(image.canGrow);
  t.false(image.hasSparseData());
});

qemuTest('an image whose data is elsewhere opens that file, and does not grow', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M', 'data_file=@/data.bin,data_file_raw=on');
  const image = open(t, maker);
  t.is(image.dataFiles[0]?.path, maker.path('data.bin'));
  t.false(image.canGrow);
  t.like(image.describe().features, { dataFile: maker.path('data.bin'), dataFileRaw: true });
  t.deepEqual(image.describe().lines[1], ['data file', `${maker.path('data.bin')} (raw)`]);
});

qemuTest('a snapshot has the size of its time; one that is missing is refused', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '1M');
  maker.img('snapshot', '-c', 'small', 'top.qcow2');
  maker.img('resize', '-q', 'top.qcow2', '2M');
  t.is(open(t, maker).size, 2 << 20);
  t.is(open(t, maker, 'small').size, 1 << 20);
  const error = t.throws(() => open(t, maker, 'none'), { instanceOf: SluiceError });
  t.regex(error?.message ?? '', /no snapshot "none"; it has 1 \("small"\)/);
  t.is(open(t, maker).describe().snapshots[0]?.virtualSize, 1 << 20);
});

qemuTest('metadata that was preallocated may have holes below its data', (t) => {
  const maker = new Maker(tempFolder(t, TMPFS));
  maker.create('top.qcow2', '64M', 'preallocation=metadata');
  t.true(open(t, maker).hasSparseData());
});
