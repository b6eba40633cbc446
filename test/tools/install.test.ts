import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from 'node:fs';
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
  const root = join(folder, 'stage');
  const stage = join(root, 'usr');
  await must('tools/install.sh', ['install', '/usr', root]);
  t.is(readlinkSync(join(root, 'sbin/mount.fuse.sluice')), '/usr/bin/mount.fuse.sluice');
  const files = filesBelow(stage);
  const isOwn = (path: string): boolean => !path.includes('node_modules');
  const pages = readdirSync('dist/man').map((page) => `share/man/man${page.at(-1)}/${page}`);
  t.true(pages.length > 15);
  const others = files.filter((path) => isOwn(path) && !path.endsWith('.js'));
  t.deepEqual(
    others.sort(),
    [
      'bin/mount.fuse.sluice',
      'bin/sluice',
      'lib/sluicefs/LICENSE',
      'lib/sluicefs/dist/LICENSES',
      'lib/sluicefs/dist/api/index.d.ts',
      'lib/sluicefs/dist/package.json',
      'lib/sluicefs/dist/page/page.css',
      'lib/sluicefs/dist/page/page.html',
      'lib/sluicefs/installed',
      'lib/sluicefs/package.json',
      'lib/systemd/system/sluice@.service',
      'share/man/man1/sluice.1',
      'share/bash-completion/completions/sluice',
      'share/fish/vendor_completions.d/sluice.fish',
      'share/zsh/site-functions/_sluice',
      'share/sluicefs/config.schema.json',
      ...pages.filter((page) => page !== 'share/man/man1/sluice.1'),
    ].sort(),
  );
  t.deepEqual(
    files.filter(
      (path) =>
        /\.(map|ts|md|c|h|dylib|dll)$|darwin|win32|\/(ava|typescript)\//.test(path) &&
        !/licen[cs]e|\/api\/index\.d\.ts$/i.test(path),
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

  await must('tools/install.sh', ['uninstall', '/usr', root]);
  t.deepEqual(filesBelow(root), []);
});

test('uninstalling leaves a program that is not ours', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'sbin'));
  const others = ['bin/sluice', 'sbin/mount.fuse.sluice'];
  for (const path of others) symlinkSync('other', join(folder, path));
  await must('tools/install.sh', ['uninstall', '/', folder]);
  t.deepEqual(filesBelow(folder).sort(), others);
});

test('the npm package has the code, and neither tests nor source maps', async (t) => {
  const listed = await must('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    limitMs: 60_000,
  });
  const [{ files }] = JSON.parse(listed) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  const { bin, man, scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  const pages = paths.filter((path) => path.startsWith('dist/man/'));
  for (const page of man) t.true(pages.includes(page), page);
  t.true(paths.includes(bin.sluice));
  t.true(paths.includes(bin['mount.fuse.sluice']));
  t.true(paths.includes('docs/manual.md'));
  t.true(paths.includes('dist/api/index.d.ts'));
  t.deepEqual(
    paths.filter(
      (path) =>
        !/^dist\/(.*\.js|package\.json|LICENSES|api\/index\.d\.ts|page\/page\.(css|html)|man\/[\w.-]+\.[158])$|^docs\/[\w-]+\.(md|svg|mjs)$|^docs\/metrics\/[\w-]+\.(yml|json)$|^docs\/((config\.schema|container)\.json|sluice@\.service)$|^[A-Zp][^/]*$/.test(
          path,
        ),
    ),
    [],
  );
  // A clone has no code in it before it is built.
  t.regex(scripts.prepack, /\btsc\b/);
  t.true(existsSync(bin.sluice));
});
