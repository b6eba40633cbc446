import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ExecutionContext } from 'ava';
import { mountsAt } from '../helpers/proc.js';
import { mountTest } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';
import { warmSluice } from '../helpers/warm.js';

/** It takes 3 s of a processor; the limit allows for a machine under load. */
const COMPILE_LIMIT_MS = 300_000;

/** A project that has the package as npm installs it: what package.json and dist/ say counts. */
function project(t: ExecutionContext) {
  const folder = tempFolder(t);
  const home = join(folder, 'node_modules/sluicefs');
  mkdirSync(home, { recursive: true });
  cpSync('package.json', join(home, 'package.json'));
  symlinkSync(resolve('dist'), join(home, 'dist'));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  const point = join(folder, 'mnt');
  mkdirSync(point);
  t.teardown(() => forceAway(point));
  return { folder, point, image: patternFile(join(folder, 'disk.img'), MIB) };
}

mountTest('the example of docs/ mounts, connects and leaves nothing behind', async (t) => {
  const { folder, point, image } = project(t);
  cpSync('docs/labs.mjs', join(folder, 'labs.mjs'));
  const before = readFileSync(image);
  const { stdout, stderr, code } = await run(process.execPath, [
    join(folder, 'labs.mjs'),
    ...[image, point],
  ]);
  t.is(stderr, '');
  t.is(code, 0);
  t.is(
    stdout,
    [
      'one.raw: 1048576 bytes',
      'two.raw: 1048576 bytes',
      'labs: at most 52428800 bytes a second',
      'ENOENT: three: there is no such image (images: one, two)',
      '',
    ].join('\n'),
  );
  t.deepEqual(mountsAt(point), []);
  t.true(readFileSync(image).equals(before));
});

const MISUSE = `
import { connect, mount } from 'sluicefs';

const [image, point] = process.argv.slice(2);
const here = process.cwd();
const tell = async (what, run) => {
  try {
    const told = await run();
    console.log(what, told === undefined ? 'done' : JSON.stringify(told));
  } catch ({ name, code, exitCode }) {
    console.log(what, name, code, exitCode);
  }
};
let all = [];
all.push(all);
await tell('nothing', () => mount());
await tell('no path', () => connect());
const first = await mount([], { mountpoint: point });
await tell('text', async () => (await first.attach('web=' + image)).image.name);
await tell('no name', () => first.detach());
await tell('empty name', () => first.detach(''));
await tell('force that is no flag', () => first.detach('web', { force: 'no' }));
await tell('no options', () => first.detach('none', null));
await tell('no settings', () => first.set('/'));
await tell('a function', () => first.set('/', { iops: () => 5 }));
await tell('a BigInt', () => first.set('/', { iops: 5n }));
await tell('a ring', () => first.set('/', { iops: [first, all] }));
await tell('no number', () => first.resize('web', NaN));
await tell('an overlay that is no path', () => first.attach({ path: image, overlay: 5 }));
all = await Promise.all(Array.from({ length: 700 }, () => first.about()));
console.log('many', new Set(all.map(({ pid }) => pid)).size);
await first.umount();
await tell('cwd', () => process.cwd() === here);
await tell('gone', () => first.images());
const second = await mount(image, { mountpoint: point });
await tell('replaced', () => first.images());
await tell('not its own', () => first.umount());
await tell('alive', async () => (await second.images()).length);
process.kill((await second.about()).pid, 'SIGKILL');
await tell('killed', async () => {
  for (;;) await second.about();
});
await tell('dead', () => second.images());
await second.umount();
`;

mountTest('a program that uses the package wrongly, or too late, is told so', async (t) => {
  const { folder, point, image } = project(t);
  writeFileSync(join(folder, 'misuse.mjs'), MISUSE);
  const { stdout, stderr } = await run(process.execPath, [
    join(folder, 'misuse.mjs'),
    ...[image, point],
  ]);
  t.is(stderr, '');
  t.deepEqual(stdout.split('\n').slice(0, -1), [
    'nothing SluiceError EINVAL 2',
    'no path SluiceError EINVAL 2',
    'text "web"',
    'no name SluiceError EINVAL 2',
    'empty name SluiceError EINVAL 2',
    'force that is no flag SluiceError EINVAL 2',
    'no options SluiceError ENOENT 2',
    'no settings SluiceError EINVAL 2',
    'a function SluiceError EINVAL 2',
    'a BigInt SluiceError EINVAL 2',
    'a ring SluiceError EINVAL 2',
    'no number SluiceError EINVAL 2',
    'an overlay that is no path SluiceError EINVAL 2',
    'many 1',
    'cwd true',
    'gone SluiceError EINVAL 4',
    'replaced SluiceError ESTALE 4',
    'not its own SluiceError ESTALE 4',
    'alive 1',
    stdout.split('\n').at(-3)!,
    'dead SluiceError ENOTCONN 5',
  ]);
  // The connection that was open ends, or there is no socket any more.
  t.regex(stdout.split('\n').at(-3)!, /^killed SluiceError (ECONNRESET|EPIPE|ENOTCONN) 5$/);
});

const IN_THREADS = `
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');
const { connect, mount } = require('sluicefs');

const use = async (point) => {
  const one = await mount('disk.img', { mountpoint: point, groups: { [point]: {} } });
  const same = await connect(point);
  const groups = (await same.groups()).map(({ path }) => path).join();
  await one.umount();
  return groups;
};
(async () => {
  if (!isMainThread) return parentPort.postMessage(await use(workerData));
  console.log(await use('one'));
  const said = (worker) => new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
  console.log(await said(new Worker(__filename, { workerData: 'two' })));
  const [a, b] = await Promise.all(['one', 'two'].map((point) =>
    mount({ path: 'disk.img', overlay: 'discard' }, { mountpoint: point }),
  ));
  console.log((await a.about()).pid !== (await b.about()).pid);
  await Promise.all([a.umount(), b.umount()]);
})();
`;

mountTest('a program may be CommonJS, use threads, and have several mounts', async (t) => {
  const { folder } = project(t);
  const points = ['one', 'two'].map((name) => join(folder, name));
  for (const point of points) {
    mkdirSync(point);
    t.teardown(() => forceAway(point));
  }
  writeFileSync(join(folder, 'threads.cjs'), IN_THREADS);
  const { stdout, stderr, code } = await run('env', [
    ...['-C', folder, process.execPath, 'threads.cjs'],
  ]);
  t.deepEqual([code, stderr, stdout], [0, '', '/,one\n/,two\ntrue\n']);
  for (const point of points) t.deepEqual(mountsAt(point), []);
});

const LEAVER = `
import { mount } from 'sluicefs';

const [image, point, ending] = process.argv.slice(2);
const labs = await mount(image, { mountpoint: point, groups: { gold: {} } });
console.log((await labs.groups()).length);
if (ending === 'exit') process.exit(3);
if (ending === 'throw') throw new Error('on purpose');
if (ending === 'kill') process.kill(process.pid, 'SIGKILL');
`;

mountTest('a mount goes on when its program ends, however that ends', async (t) => {
  const { folder, point, image } = project(t);
  const program = join(folder, 'leaver.mjs');
  writeFileSync(program, LEAVER);
  for (const [ending, code] of [
    ['by itself', 0],
    ['exit', 3],
    ['throw', 1],
    ['kill', null],
  ] as const) {
    const ended = await run(process.execPath, [program, image, point, ending]);
    t.deepEqual([ended.code, ended.stdout], [code, '2\n'], ending);
    const shown = readFileSync(join(point, 'disk.raw'));
    t.true(shown.equals(readFileSync(image)), ending);
    const { code: unmounted, stderr } = await warmSluice(['umount', point]);
    t.deepEqual([unmounted, stderr], [0, ''], ending);
    t.deepEqual(mountsAt(point), [], ending);
  }
});

const CONSUMER = `
import { connect, mount, type Mount, type SluiceError } from 'sluicefs';

const [image = '', point = '', log = ''] = process.argv.slice(2);
const made: Mount = await mount([\`web=\${image}\`], { mountpoint: point, log, groups: { gold: {} } });
await made.set('team/build', { iops: 100, member: ['uid:7'] }, { create: true });
await made.set('team/build', { member: '-uid:7' });
await made.remove('team/build');
await made.set('gold', { member: 'web' });
const { image: extra, warnings } = await made.attach({ path: image, name: 'extra', overlay: 'discard' })
  .catch((error: SluiceError) => ({ image: null, warnings: [error.code] }));
console.log(extra, ...warnings);
console.log((await made.resize('web', 2 << 20)).size);
const [gold] = (await made.groups()).filter(({ path }) => path === 'gold');
console.log(gold?.members.join());
console.log((await made.partitions()).length, (await made.reload().catch((error: SluiceError) => [error.hint ?? 'no hint'])).length);
const { config } = await (await connect(point)).save();
console.log(typeof config.images.web, (await made.about()).pid !== process.pid);
try {
  await made.overlay('web', 'commit');
} catch (error) {
  const { code, errno, exitCode }: SluiceError = error as SluiceError;
  console.log(code, errno, exitCode);
}
await made.detach('web', { force: true });
console.log((await made.images()).length);
await made.umount();
// @ts-expect-error there is no such option
const wrong = { mountpoint: point, readonly: true } satisfies Parameters<typeof mount>[1];
console.log(Object.keys(wrong).length);
`;

mountTest('a program in TypeScript, with strict, uses what the types say', async (t) => {
  const { folder, point, image } = project(t);
  writeFileSync(join(folder, 'use.mts'), CONSUMER);
  const types = { typeRoots: [resolve('node_modules/@types')], types: ['node'] };
  const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
  const options = {
    module: 'nodenext',
    target: 'es2023',
    skipLibCheck: true,
    ...types,
    ...strict,
  };
  const config = { compilerOptions: options, files: ['use.mts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const tsc = resolve('node_modules/typescript/bin/tsc');
  await must(process.execPath, [tsc, '-p', folder], { limitMs: COMPILE_LIMIT_MS });
  const words = [join(folder, 'use.mjs'), image, point, join(folder, 'log')];
  const { stdout, stderr } = await run(process.execPath, words);
  t.is(stderr, '');
  t.deepEqual(stdout.split('\n'), [
    'null EAGAIN',
    '2097152',
    'web',
    '0 1',
    'string true',
    'ENOTSUP -95 3',
    '0',
    '2',
    '',
  ]);
});
