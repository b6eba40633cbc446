import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { describeImage } from '../../src/image/describe.js';
import { checkAllUsed, type NamedFiles } from '../../src/image/named-files.js';
import { type ChainOptions, openChain } from '../../src/image/open-chain.js';
import { SluiceError } from '../../src/util/errors.js';
import { Maker } from '../../tools/lib/image-maker.js';
import { qemuTest } from '../formats/needs.js';
import { TMPFS, tempFolder } from '../helpers/temp.js';

const NOTHING: NamedFiles = { dataFiles: [], backingFiles: [], untrusted: false };

/** Makes two folders: `vm` with images, `other` with files of somebody else. */
function makeFolders(t: ExecutionContext): Maker {
  const maker = new Maker(tempFolder(t, TMPFS));
  for (const name of ['vm', 'other']) mkdirSync(maker.path(name));
  return maker;
}

function options(named?: Partial<NamedFiles>): ChainOptions {
  const plain: ChainOptions = { format: 'qcow2', backingFormats: [], snapshot: null };
  return named === undefined ? plain : { ...plain, named: { ...NOTHING, ...named } };
}

function layersOf(path: string, named?: Partial<NamedFiles>): string[] {
  const chain = openChain(path, options(named));
  chain.close();
  return chain.layers.map(({ file, image }) => image.dataFiles[0]?.path ?? file.path);
}

function refuses(
  t: ExecutionContext,
  path: string,
  says: string,
  named?: Partial<NamedFiles>,
): void {
  const error = t.throws(() => openChain(path, options(named)), { instanceOf: SluiceError });
  t.is(error?.message, says);
  t.is(error?.exitCode, 3);
}

qemuTest('a data file beside its image is used', (t) => {
  const maker = makeFolders(t);
  maker.create('vm/top.qcow2', '1M', 'data_file=@/vm/data.bin');
  t.deepEqual(layersOf(maker.path('vm/top.qcow2')), [maker.path('vm/data.bin')]);
  // A link elsewhere may lead to the image or to its folder.
  symlinkSync('../vm/top.qcow2', maker.path('other/link.qcow2'));
  t.is(layersOf(maker.path('other/link.qcow2')).length, 1);
  symlinkSync('vm', maker.path('alias'));
  t.is(layersOf(maker.path('alias/top.qcow2')).length, 1);
});

qemuTest('a data file elsewhere is refused unless it is named', (t) => {
  const maker = makeFolders(t);
  maker.create('vm/top.qcow2', '1M', 'data_file=@/other/data.bin');
  const [image, data] = [maker.path('vm/top.qcow2'), maker.path('other/data.bin')];
  const says =
    `${image}: its data file ${data} lies outside the folder of the image; ` +
    `--data-file ${data} allows it`;
  refuses(t, image, says);
  refuses(t, image, says, { dataFiles: [maker.path('other/none.bin')], backingFiles: [data] });
  symlinkSync('other/data.bin', maker.path('same'));
  for (const name of ['other/data.bin', 'same']) {
    t.deepEqual(layersOf(image, { dataFiles: [maker.path(name)] }), [data]);
  }
});

qemuTest('a file of the command line that no image has in that part is refused', (t) => {
  const maker = makeFolders(t);
  maker.create(
    'vm/top.qcow2',
    '1M',
    'data_file=@/vm/data.bin',
    '-b',
    '../vm/base',
    '-F',
    'raw',
    '-u',
  );
  maker.raw('vm/base', 1 << 20);
  maker.create('vm/other.qcow2', '1M');
  const chains = ['vm/top.qcow2', 'vm/other.qcow2'].map((name) => {
    const { layers, close } = openChain(maker.path(name), options());
    close();
    return layers;
  });
  const [base, data, none] = ['vm/base', 'vm/data.bin', 'none'].map((name) => maker.path(name));
  const check = (named: Partial<NamedFiles>) => checkAllUsed({ ...NOTHING, ...named }, chains);
  t.notThrows(() => check({ dataFiles: [data!], backingFiles: [base!] }));
  for (const [named, what] of [
    [{ dataFiles: [data!, none!] }, `--data-file ${none}: no image has this data file`],
    [{ dataFiles: [base!] }, `--data-file ${base}: no image has this data file`],
    [{ backingFiles: [data!] }, `--backing-file ${data}: no image has this backing file`],
  ] as const) {
    const error = t.throws(() => check(named), { instanceOf: SluiceError });
    t.is(error?.message, `${what}; sluice info shows what they have`);
    t.is(error?.exitCode, 2);
  }
});

qemuTest('a link beside the image that leads elsewhere is elsewhere', (t) => {
  const maker = makeFolders(t);
  maker.create('vm/top.qcow2', '1M', 'data_file=@/vm/data.bin');
  maker.raw('other/secret', 4096);
  maker.img('create', '-q', '-f', 'raw', 'vm/x', '1M');
  maker.patch('vm/top.qcow2', Buffer.from('data.bin'), Buffer.from('link.bin'));
  symlinkSync('../other/secret', maker.path('vm/link.bin'));
  const [image, data] = [maker.path('vm/top.qcow2'), maker.path('vm/link.bin')];
  const says =
    `${image}: its data file ${data} lies outside the folder of the image; ` +
    `--data-file ${data} allows it`;
  refuses(t, image, says);
});

qemuTest('a backing file’s data file is held to the folder of the backing file', (t) => {
  const maker = makeFolders(t);
  maker.create('other/base.qcow2', '1M', 'data_file=@/other/data.bin');
  maker.create('vm/top.qcow2', '1M', '', '-b', maker.path('other/base.qcow2'), '-F', 'qcow2');
  t.is(layersOf(maker.path('vm/top.qcow2')).length, 2);
  maker.create('other/bad.qcow2', '1M', 'data_file=@/vm/data.bin');
  maker.create('vm/top.qcow2', '1M', '', '-b', maker.path('other/bad.qcow2'), '-F', 'qcow2');
  const error = t.throws(() => openChain(maker.path('vm/top.qcow2'), options()));
  t.regex(error?.message ?? '', /bad\.qcow2: its data file .* lies outside/);
});

qemuTest('an untrusted image names nothing that the command line does not', (t) => {
  const maker = makeFolders(t);
  maker.create('vm/base.qcow2', '1M', 'data_file=@/vm/data.bin');
  maker.create('vm/top.qcow2', '1M', '', '-b', maker.path('vm/base.qcow2'), '-F', 'qcow2');
  const [top, base, data] = ['top.qcow2', 'base.qcow2', 'data.bin'].map((name) => {
    return maker.path(`vm/${name}`);
  }) as [string, string, string];
  const sentence = (image: string, role: string, file: string): string =>
    `${image}: it names the ${role} file ${file}, and --untrusted takes only files of the command line; ` +
    `--${role}-file ${file} allows it`;
  refuses(t, top, sentence(top, 'backing', base), { untrusted: true });
  refuses(t, top, sentence(top, 'backing', base), { untrusted: true, dataFiles: [base] });
  const below = `${top}: its backing file ${sentence(base, 'data', data)}`;
  refuses(t, top, below, { untrusted: true, backingFiles: [base] });
  const all = { untrusted: true, backingFiles: [base], dataFiles: [data] };
  t.is(layersOf(top, all).length, 2);
  // A refused file is not even looked up.
  maker.create('vm/gone.qcow2', '1M', '', '-u', '-b', '/nowhere/gone', '-F', 'raw');
  const gone = maker.path('vm/gone.qcow2');
  refuses(t, gone, sentence(gone, 'backing', '/nowhere/gone'), { untrusted: true });
  const info = describeImage(gone, options({ untrusted: true }));
  t.deepEqual(info.problems, [sentence(gone, 'backing', '/nowhere/gone').slice(gone.length + 2)]);
  t.is(info.virtualSize, null);
  t.deepEqual(
    info.chain?.map((layer) => layer.virtualSize),
    [1 << 20],
  );
  maker.create('vm/nbd.qcow2', '1M', '', '-u', '-b', 'nbd://localhost:1', '-F', 'raw');
  t.throws(() => openChain(maker.path('vm/nbd.qcow2'), options({ untrusted: true })), {
    message: /it names the backing file nbd:\/\/localhost:1, and --untrusted takes only files/,
  });
});

qemuTest('a file that is the data file and the backing file of one image is refused', (t) => {
  const maker = makeFolders(t);
  maker.create('vm/top.qcow2', '1M', 'data_file=@/vm/data.bin');
  maker.img('rebase', '-u', '-f', 'qcow2', '-b', 'data.bin', '-F', 'raw', 'vm/top.qcow2');
  const [image, data] = [maker.path('vm/top.qcow2'), maker.path('vm/data.bin')];
  refuses(t, image, `${image}: its chain has ${data} twice`);
  t.is(readFileSync(data).length, 1 << 20);
});
