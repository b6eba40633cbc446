import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { mountTest } from '../helpers/requires.js';
import { must, run } from '../helpers/run.js';
import { forceAway } from '../helpers/sluice-mount.js';
import { tempFolder } from '../helpers/temp.js';

// Tests run with the project's folder as working directory (see ava.config.js).

/** Files under a folder, links and no folders. */
function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => {
      return join(parentPath, name).slice(folder.length + 1);
    });
}

mountTest('what make install installs mounts, and make uninstall leaves nothing', async (t) => {
  const folder = tempFolder(t);
  const stage = join(folder, 'stage/usr');
  await must('tools/install.sh', ['install', stage]);
  const files = filesBelow(stage);
  const isOwn = (path: string): boolean => !path.includes('node_modules');
  const others = files.filter((path) => isOwn(path) && !path.endsWith('.js'));
  t.deepEqual(others.sort(), [
    'bin/mount.fuse.sluice',
    'bin/sluice',
    'lib/sluicefs/LICENSE',
    'lib/sluicefs/dist/LICENSES',
    'lib/sluicefs/dist/package.json',
    'lib/sluicefs/dist/page/page.css',
    'lib/sluicefs/dist/page/page.html',
    'lib/sluicefs/package.json',
  ]);
  t.deepEqual(
    files.filter(
      (path) =>
        /\.(map|ts|md|c|h|dylib|dll)$|darwin|win32|\/(ava|typescript)\//.test(path) &&
        !/licen[cs]e/i.test(path),
    ),
    [],
  );
  t.is(files.filter((path) => path.endsWith('koffi.node')).length, 1);
  t.is(files.filter((path) => /fuse-native.*\.node$/.test(path)).length, 1);

  const program = join(stage, 'bin/sluice');
  const image = join(folder, 'disk.img');
  const point = join(folder, 'mnt');
  mkdirSync(point);
  t.teardown(() => forceAway(point));
  await must('truncate', ['-s', '1M', image]);
  await must(join(stage, 'bin/mount.fuse.sluice'), ['none', point, '-f']);
  await must(program, ['mount', image, point, '--log', join(folder, 'log')]);
  await must('dd', [
    'if=/dev/zero',
    `of=${join(point, 'disk.raw')}`,
    'bs=4k',
    'count=1',
    'conv=notrunc',
    'status=none',
  ]);
  await must(program, ['umount', point]);
  t.is((await run(program, ['umount', point])).code, 4);

  await must('tools/install.sh', ['uninstall', stage]);
  t.deepEqual(filesBelow(stage), []);
});

test('uninstalling leaves a program that is not ours', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'bin'));
  await must('ln', ['-s', 'other', join(folder, 'bin/sluice')]);
  await must('tools/install.sh', ['uninstall', folder]);
  t.deepEqual(filesBelow(folder), ['bin/sluice']);
});

test('the npm package has the code, and neither tests nor source maps', async (t) => {
  const listed = await must('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    limitMs: 60_000,
  });
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  const { bin, scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  t.true(paths.includes(bin.sluice));
  t.true(paths.includes(bin['mount.fuse.sluice']));
  t.true(paths.includes('docs/manual.md'));
  t.deepEqual(
    paths.filter(
      (path) =>
        !/^dist\/(.*\.js|package\.json|LICENSES|page\/page\.(css|html))$|^docs\/[\w-]+\.(md|svg)$|^docs\/metrics\/[\w-]+\.(yml|json)$|^docs\/(config\.schema\.json|sluice@\.service)$|^[A-Zp][^/]*$/.test(
          path,
        ),
    ),
    [],
  );
  // A clone has no code in it before it is built.
  t.regex(scripts.prepack, /\btsc\b/);
  t.true(existsSync(bin.sluice));
});
