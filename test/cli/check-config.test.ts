import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { checkConfig } from '../../src/cli/check-config.js';
import { openDisks } from '../../src/server/open-disks.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';
import { GPT, noisyDisk } from '../helpers/partition-disks.js';
import { requires } from '../helpers/requires.js';
import { must } from '../helpers/run.js';
import { KIB, MIB, sparseFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

/** Files of faulty images, and of one that is used in two ways. */
async function makeImages(folder: string): Promise<void> {
  const make = (...words: string[]) => must('qemu-img', ['create', '-q', ...words]);
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('mnt'));
  sparseFile(at('raw.img'), MIB);
  symlinkSync(at('raw.img'), at('link.img'));
  sparseFile(at('odd.img'), 1000);
  sparseFile(at('empty.img'), 0);
  writeFileSync(at('text'), 'no image\n');
  await make('-f', 'qcow2', at('good.qcow2'), '1M');
  await make('-f', 'vmdk', at('sparse.vmdk'), '1M');
  await make('-f', 'vhdx', at('vm.vhdx'), '1M');
  await make('-f', 'qcow2', at('corrupt.qcow2'), '1M');
  const corrupt = readFileSync(at('corrupt.qcow2'));
  corrupt[79]! |= 2;
  writeFileSync(at('corrupt.qcow2'), corrupt);
  await make('-f', 'qcow2', at('snap.qcow2'), '1M');
  await must('qemu-img', ['snapshot', '-c', 'one', at('snap.qcow2')]);
  sparseFile(at('gone.img'), MIB);
  await make('-f', 'qcow2', '-b', at('gone.img'), '-F', 'raw', at('over.qcow2'));
  await must('rm', [at('gone.img')]);
  await make('-f', 'qcow2', '-b', at('raw.img'), '-F', 'raw', at('other.qcow2'));
  noisyDisk(folder, GPT, 'parts.img');
}

/** `»` stands before the place of the fault. */
const FAULTS: readonly (readonly [what: string, words: string, yaml: string])[] = [
  [
    'an image that cannot be written',
    'images: a: path: DIR/sparse.vmdk: a VMDK of the kind monolithicSparse cannot be written',
    '  a: »sparse.vmdk',
  ],
  [
    'a format that cannot be written',
    'images: a: path: DIR/vm.vhdx: an image of the format vhdx cannot be written',
    '  a:\n    path: »vm.vhdx',
  ],
  [
    'a snapshot that would be written',
    'images: a: path: DIR/snap.qcow2: a snapshot cannot be written',
    '  a: {path: »snap.qcow2, snapshot: one}',
  ],
  [
    'a snapshot that is not there',
    'images: a: path: DIR/snap.qcow2: ',
    '  a: {path: »snap.qcow2, snapshot: two, read-only: true}',
  ],
  [
    'a snapshot with an overlay',
    'images: a: overlay: DIR/snap.qcow2: a snapshot cannot have an overlay',
    '  a: {path: snap.qcow2, snapshot: one, overlay: »new.qcow2}',
  ],
  [
    'a damaged image',
    'images: a: path: DIR/corrupt.qcow2: marked as corrupt',
    '  a: »corrupt.qcow2',
  ],
  [
    'another format',
    'images: a: path: DIR/raw.img: not a qcow2 image',
    '  a: {path: »raw.img, format: qcow2}',
  ],
  [
    'a backing file that is not there',
    'images: a: path: DIR/over.qcow2: its backing file DIR/gone.img: no such file',
    '  a: »over.qcow2',
  ],
  ['an empty file', 'images: a: path: DIR/empty.img: the file is empty', '  a: »empty.img'],
  ['a folder', 'images: a: path: DIR/mnt: a directory, not an image', '  a: »mnt'],
  [
    'passthrough of another format',
    'images: a: passthrough: DIR/good.qcow2: cannot be passed through: it is qcow2',
    '  a: {path: good.qcow2, growable: true, passthrough: »true}',
  ],
  [
    'passthrough of an odd size',
    'images: a: passthrough: DIR/odd.img: cannot be passed through: its size, 1000 bytes',
    '  a: {path: odd.img, growable: true, passthrough: »true}',
  ],
  [
    'passthrough without growth',
    'images: a: passthrough a: the kernel does not stop writes past the end',
    '  a: {path: raw.img, passthrough: »true}',
  ],
  [
    'one image in two ways',
    'images: b: path: DIR/link.img: the same image as DIR/raw.img',
    '  a: raw.img\n  b: »link.img',
  ],
  [
    'a name that is that of a partition',
    'images: a: DIR/raw.img: the name "a.p1" is that of partition 1 of DIR/parts.img',
    '  a: »parts.img\n  a.p1: raw.img',
  ],
  [
    'an overlay of another image',
    'images: a: overlay: DIR/other.qcow2: is there, and no overlay of DIR/good.qcow2',
    '  a: {path: good.qcow2, overlay: »other.qcow2}',
  ],
  [
    'an overlay that is the image',
    'images: a: overlay: DIR/good.qcow2: is the image itself',
    '  a: {path: good.qcow2, overlay: »good.qcow2}',
  ],
  [
    'a cache without a server',
    'images: a: cache-file: DIR/raw.img is on no NBD server',
    '  a: {path: raw.img, cache-file: »near}',
  ],
  [
    'a file that no image names',
    'images: a: path: data-file DIR/text: no image has this data file',
    '  a: {path: »good.qcow2, data-file: text}',
  ],
  [
    'a file that is not to be trusted',
    'images: a: path: DIR/other.qcow2: it names the backing file DIR/raw.img',
    '  a: {path: »other.qcow2, untrusted: true}',
  ],
  [
    'a log that is an image',
    'options: log DIR/raw.img: DIR/raw.img has its data there',
    '  a: raw.img\noptions: {log: »raw.img}',
  ],
  [
    'a keeper of an image that is passed through',
    'options: keeper: DIR/raw.img is passed through',
    '  a: {path: raw.img, growable: true, passthrough: true}\noptions: {keeper: »true}',
  ],
  [
    'an option without the one that it needs',
    'options: metrics-write: the page that it is for needs --metrics',
    '  a: raw.img\noptions: {metrics-write: »text}',
  ],
];

requires(
  'qemu',
  'sfdisk',
  'fuse',
  'root',
)(
  'what a mount refuses about images is told with its place, in the words of the mount',
  async (t) => {
    const folder = tempFolder(t);
    await makeImages(folder);
    const file = join(folder, 'vm.yaml');
    for (const [what, words, marked] of FAULTS) {
      const text = `mountpoint: mnt\nimages:\n${marked}\n`.replaceAll('DIR', folder);
      const lines = text.slice(0, text.indexOf('»')).split('\n');
      const place = `${lines.length}:${lines.at(-1)!.length + 1}`;
      writeFileSync(file, text.replace('»', ''));
      const said: string[] = [];
      const error = await t.throwsAsync(
        checkConfig(file, (sentence) => said.push(sentence)),
        { instanceOf: SluiceError },
        what,
      );
      const expected = `${file}:${place}: ${words.replaceAll('DIR', folder)}`;
      t.is(error?.message.slice(0, expected.length), expected, what);
      t.is(error?.exitCode, 2, what);
      t.deepEqual(said, [], what);
      const mounted = await warmSluice(['mount', '--config', file]);
      t.not(mounted.code, 0, what);
      // The keys of the file are the check's own.
      const sentence = error!.message.slice(`${file}:${place}: `.length).replace(/^(\S+: )*/, '');
      t.true(mounted.stderr.includes(sentence), `${what}: ${mounted.stderr}`);
    }
  },
);

test('what is not on this machine is no fault', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'vm.yaml');
  sparseFile(join(folder, 'raw.img'), 64 * KIB);
  writeFileSync(
    file,
    [
      'images:',
      '  gone: gone.img',
      '  far: nbd://127.0.0.1:1/vm',
      '  near: {path: raw.img, overlay: no/such/folder.qcow2}',
      '',
    ].join('\n'),
  );
  const said: string[] = [];
  await checkConfig(file, (sentence) => said.push(sentence));
  t.deepEqual(said, [`gone: ${folder}/gone.img: no such file`]);
});

requires('qemu')('an image over one on a server is looked at as far as it is here', async (t) => {
  const folder = tempFolder(t);
  const [file, over] = [join(folder, 'vm.yaml'), join(folder, 'over.qcow2')];
  const base = ['-b', 'nbd://127.0.0.1:1/vm', '-F', 'raw', over, '1M'];
  await must('qemu-img', ['create', '-q', '-u', '-f', 'qcow2', ...base]);
  writeFileSync(file, 'images:\n  a: {path: over.qcow2, cache-file: near}\n');
  await checkConfig(file, () => t.fail());
  writeFileSync(file, 'images:\n  a: {path: over.qcow2, passthrough: true, growable: true}\n');
  await t.throwsAsync(
    checkConfig(file, () => {}),
    { message: /vm\.yaml:2:38: .* cannot be passed through: it is qcow2/ },
  );
});

requires('qemu')('images that are in use can be checked, and stay as they are', async (t) => {
  const folder = tempFolder(t);
  const [file, vm] = [join(folder, 'vm.yaml'), join(folder, 'vm.qcow2')];
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', vm, '1M']);
  // Marked as dirty, as by a daemon that was killed: a mount would repair it.
  const bytes = readFileSync(vm);
  bytes[79]! |= 1;
  writeFileSync(vm, bytes);
  const images = 'images:\n  a: vm.qcow2\n  b: {path: raw.img, overlay: b.qcow2}\n';
  writeFileSync(file, images);
  const raw = sparseFile(join(folder, 'raw.img'), 64 * KIB);
  const before = [vm, raw].map((path) => statSync(path).mtimeMs);
  await checkConfig(file, () => t.fail());
  t.deepEqual(readFileSync(vm), bytes);
  t.deepEqual(
    [vm, raw].map((path) => statSync(path).mtimeMs),
    before,
  );
  t.throws(() => statSync(join(folder, 'b.qcow2')), { code: 'ENOENT' });
  const image = { name: 'a', path: vm, format: 'qcow2', backingFormats: [], snapshot: null };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const open = await openDisks({ ...mountConfig({ images: [image] }) }, log);
  try {
    await checkConfig(file, () => t.fail());
  } finally {
    open.close();
  }
});
