import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { absolutePath } from '../../src/cli/working-directory.js';
import { run, sluiceWords } from '../helpers/run.js';
import { tempFolder } from '../helpers/temp.js';

test('a relative path starts from the directory, an absolute one needs none', (t) => {
  t.is(absolutePath('the image', 'a/../b.img', '/srv'), '/srv/b.img');
  t.is(absolutePath('the image', '/b.img', ''), '/b.img');
});

test('an empty path is refused: it would mean the directory itself', (t) => {
  t.throws(() => absolutePath('the mount point', '', '/srv'), {
    message: 'the path of the mount point is empty',
  });
});

test('a name that is not UTF-8 is refused by a sentence', (t) => {
  t.throws(() => absolutePath('the image', 'b\uFFFDd.img', '/srv'), { message: /not valid UTF-8/ });
});

test('a deleted working directory is one line, and absolute paths work', async (t) => {
  const folder = join(tempFolder(t), 'gone');
  mkdirSync(folder);
  const commands = [
    ['--version'],
    ['umount', 'x'],
    ['info', 'x.img'],
    ['mount', 'a.img', 'm'],
    ['umount', '/'],
  ].map((words) => sluiceWords(...words).join(' '));
  const node = process.execPath;
  const script = commands.map((words) => `${node} ${words} 2>&1; echo $?`).join('; ');
  const { stdout } = await run('sh', ['-c', `cd ${folder} && rmdir ${folder} && ${script}`]);
  const sentence = 'the working directory has been deleted; change to another one';
  t.deepEqual(
    stdout.split('\n').slice(1, -1),
    [
      '0',
      `sluice: umount: x: ${sentence}`,
      '1',
      `sluice: info: x.img: ${sentence}`,
      '1',
      `sluice: mount: a.img: ${sentence}`,
      '1',
      'sluice: umount: /: a mount of type ext4, not of sluice',
      '4',
    ].map((line) => line.replace('ext4', rootType())),
  );
});

/** Type of the file system at `/`. */
function rootType(): string {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.findLast((line) => line.split(' ')[1] === '/')!.split(' ')[2]!;
}
