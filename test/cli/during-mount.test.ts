import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually, mountsAt } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child, sluice, sluiceWords } from '../helpers/run.js';
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
    const codeOf = async (command: string): Promise<number | null> => {
      const ended = await sluice(['mount', '--config', file, '--', command]);
      t.deepEqual(mountsAt(join(folder, 'mnt')), [], command);
      return ended.code;
    };
    const script = join(folder, 'script');
    writeFileSync(script, '#!/no/such/program\n', { mode: 0o755 });
    t.is(await codeOf(script), 127);
    t.is(await codeOf(''), 127);
    t.is(await codeOf(folder), 126);
    t.is(await codeOf(file), 126);
    // Node.js throws where others have an event.
    t.is(await codeOf(join(file, 'x')), 126);
  },
);

/** Ends with 9 at a signal, and says which one it was. */
const TRAPS =
  'for s in INT QUIT TERM HUP USR1; do trap "echo $s; kill \\$!; exit 9" $s; done;' +
  'echo ready; sleep 60 >/dev/null 2>&1 & wait';

commandTest('signals reach the command, also those that come before it runs', async (t) => {
  const folder = tempFolder(t);
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const words = sluiceWords('mount', image, point, '--log', join(folder, 'log'), '--');
  const start = () => new Child('setsid', [process.execPath, ...words, 'bash', '-c', TRAPS]);
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const) {
    const child = start();
    await child.line(/ready/);
    process.kill(child.pid, signal);
    const ended = await child.within();
    t.deepEqual([ended.code, ended.stdout], [9, `ready\n${signal.slice(3)}\n`], signal);
    t.deepEqual(mountsAt(point), [], signal);
  }
  const early = start();
  t.true(await eventually(() => mountsAt(point).length > 0));
  process.kill(early.pid, 'SIGHUP');
  const ended = await early.within();
  // It may be too early for the traps of the command, too.
  t.true(ended.code === 9 || ended.code === 129, ended.stdout + ended.stderr);
  t.deepEqual(mountsAt(point), []);
});

commandTest('of a key of the terminal the command hears once', async (t) => {
  const folder = tempFolder(t);
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const point = join(folder, 'mnt');
  mkdirSync(point);
  const heard = 'trap "echo INT" INT; echo ready; sleep 2; sleep 1; exit 5';
  writeFileSync(join(folder, 'command'), heard);
  const words = sluiceWords('mount', image, point, '--log', join(folder, 'log'), '--');
  const all = [process.execPath, ...words, 'bash', join(folder, 'command')].join(' ');
  // A shell that stays would hear the key, too, and end by it.
  const terminal = spawn('script', ['-qec', `exec ${all}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text) => {
    const isReady = !shown.includes('ready');
    shown += text;
    if (isReady && shown.includes('ready')) terminal.stdin.write('\x03');
  });
  const [code] = await once(terminal, 'close');
  t.is(code, 5, shown);
  t.is(shown.match(/INT/g)?.length, 1, shown);
  t.deepEqual(mountsAt(point), []);
});

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
