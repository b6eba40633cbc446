import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { sluice } from '../helpers/run.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

const commandTest = requires('fuse');

/** `sluice mount disk.img MNT -- bash -c SCRIPT`, with MNT as $0. */
async function runs(t: ExecutionContext, script: string, ...options: string[]) {
  const folder = tempFolder(t);
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const log = ['--log', join(folder, 'log')];
  const words = ['mount', image, point, ...log, ...options, '--', 'bash', '-c', script, point];
  const ended = await sluice(words);
  t.deepEqual(mountsAt(point), [], 'nothing stays mounted');
  return { ...ended, folder, point };
}

commandTest(
  'a command runs while the files are there, and its exit code is passed on',
  async (t) => {
    const ended = await runs(t, 'cmp "$0/disk.raw" "$0/../disk.img" && echo "same $1"; exit 7');
    t.deepEqual([ended.code, ended.stdout, ended.stderr], [7, 'same \n', '']);
  },
);

commandTest('0 means that all it has written is on disk', async (t) => {
  const ended = await runs(t, 'printf hello | dd of="$0/disk.raw" conv=notrunc status=none');
  t.deepEqual([ended.code, ended.stderr], [0, '']);
  t.is(readFileSync(join(ended.folder, 'disk.img'), 'latin1').slice(0, 5), 'hello');
});

commandTest(
  'a signal that ends the command, and one that cannot be started, have codes as in shells',
  async (t) => {
    t.is((await runs(t, 'kill -TERM $$')).code, 143);
    const folder = tempFolder(t);
    const image = patternFile(join(folder, 'disk.img'), MIB);
    const file = join(folder, 'vm.yaml');
    mkdirSync(join(folder, 'mnt'));
    writeFileSync(file, `mountpoint: mnt\nimages: {disk: ${image}}\noptions: {log: log}\n`);
    const missing = await sluice(['mount', '--config', file, '--', join(folder, 'nothing')]);
    t.deepEqual(
      [missing.code, missing.stderr],
      [127, `sluice: mount: ${folder}/nothing: no such command\n`],
    );
    const forbidden = await sluice(['mount', '--config', file, '--', file]);
    t.is(forbidden.code, 126);
    t.deepEqual(mountsAt(join(folder, 'mnt')), []);
  },
);

commandTest(
  'what the command leaves behind with a file open does not keep the mount',
  async (t) => {
    const script = 'exec 3<"$0/disk.raw"; sleep 60 >/dev/null 2>&1 & echo $! > "$0/../pid"; exit 0';
    const ended = await runs(t, script);
    t.is(ended.code, 0);
    t.regex(ended.stderr, /in use by sleep \(pid \d+\); unmounted all the same\n$/);
    const pid = Number(readFileSync(join(ended.folder, 'pid'), 'utf8'));
    t.true(pid > 1);
    process.kill(pid, 'SIGKILL');
  },
);

commandTest(
  'the command may unmount, and words after -- are operands where the mount is not complete',
  async (t) => {
    const ended = await runs(t, 'umount "$0" && exit 3');
    t.is(ended.code, 3);
    const { point, folder } = ended;
    const image = join(folder, 'disk.img');
    const mounted = await sluice(['mount', '--log', join(folder, 'log'), '--', image, point]);
    t.is(mounted.code, 0, mounted.stderr);
    t.true(existsSync(join(point, 'disk.raw')));
    t.is((await sluice(['umount', point])).code, 0);
    const both = await sluice(['mount', image, point, '--foreground', '--', 'true']);
    t.is(both.code, 2);
    t.regex(both.stderr, /--foreground/);
  },
);
