import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function image(name: string, size: number): void {
  writeFileSync(join(folder, name), '');
  truncateSync(join(folder, name), size);
}

image('disk.img', 1 << 20);
image('empty.img', 0);
mkdirSync(join(folder, 'mnt'));
symlinkSync('disk.img', join(folder, 'link.img'));
writeFileSync(join(folder, 'vm.vmdk'), 'KDMV');

function sluice(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

/** Command line, exit code, the one line on stderr after `sluice: `. */
const REFUSED: [string, number, string][] = [
  ['', 2, 'name a command: mount, umount, info, map, stat, set, doctor; see sluice --help'],
  ['nonsense', 2, 'unknown command: nonsense; see sluice --help'],
  [
    'mount',
    2,
    'mount: not enough non-option arguments: got 0, need at least 1; see sluice mount --help',
  ],
  [
    'mount disk.img',
    2,
    'mount: name at least one image and, last, the mount point: sluice mount disk.img /mnt/s',
  ],
  ['mount disk.img mnt --bogus', 2, 'mount: unknown argument: bogus; see sluice mount --help'],
  [
    'mount disk.img mnt --nonsense x',
    2,
    'mount: unknown argument: nonsense; see sluice mount --help',
  ],
  [
    'mount disk.img mnt --group',
    2,
    'mount: not enough arguments following: group; see sluice mount --help',
  ],
  ['umount mnt more', 2, 'umount: unknown argument: more; see sluice umount --help'],
  [
    'mount a=disk.img link.img mnt',
    2,
    'mount: link.img: the same image as disk.img; an image can be mounted once',
  ],
  ['mount nowhere.img mnt', 1, 'mount: nowhere.img: no such file'],
  ['mount mnt mnt', 3, 'mount: mnt: a directory, not an image'],
  ['mount /dev/null mnt', 3, 'mount: /dev/null: neither a regular file nor a block device'],
  [
    'mount empty.img mnt',
    3,
    'mount: empty.img: the file is empty: there is nothing to show; ' +
      'give it a size with truncate, or use --growable',
  ],
  [
    'mount empty.img mnt --growable --read-only',
    3,
    'mount: empty.img: the file is empty: there is nothing to show; ' +
      'give it a size with truncate, or use --growable',
  ],
  [
    'mount vm.vmdk mnt',
    3,
    'mount: vm.vmdk: looks like vmdk, which this version cannot mount; ' +
      'use --format raw to show its bytes',
  ],
  [
    'mount disk.img nowhere',
    4,
    'mount: nowhere: the mount point does not exist; make it with mkdir',
  ],
  ['mount disk.img disk.img', 4, 'mount: disk.img: the mount point is not a directory'],
  [
    'mount disk.img /proc',
    4,
    'mount: /proc: busy: it is a mount point already (proc); choose another directory',
  ],
  ['umount mnt', 4, 'umount: mnt: sluice is not mounted there'],
  ['umount /proc', 4, 'umount: /proc: a mount of type proc, not of sluice'],
  ['stat mnt', 4, 'stat: mnt: sluice is not mounted there'],
  ['info nowhere.img', 1, 'info: nowhere.img: no such file'],
];

for (const [line, code, message] of REFUSED) {
  test(`"sluice ${line}" is refused in one line with exit code ${code}`, (t) => {
    const words = line === '' ? [] : line.split(' ');
    t.deepEqual(sluice(...words), { status: code, stdout: '', stderr: `sluice: ${message}\n` });
  });
}

test('--verbose adds the stack', (t) => {
  const { stderr } = sluice('mount', 'nowhere.img', 'mnt', '--verbose');
  const [first = '', second = '', third = ''] = stderr.split('\n');
  t.is(first, 'sluice: mount: nowhere.img: no such file');
  t.regex(second, /^SluiceError: /);
  t.regex(third, /^ {4}at /);
});

test('--version prints the version of package.json', (t) => {
  t.deepEqual(sluice('--version'), { status: 0, stdout: '0.1.0\n', stderr: '' });
});

test('--help names the commands and goes to stdout', (t) => {
  const { status, stdout, stderr } = sluice('--help');
  t.is(status, 0);
  t.is(stderr, '');
  for (const synopsis of [
    'sluice mount [NAME=]IMAGE... MOUNTPOINT ',
    'sluice umount MOUNTPOINT ',
    'sluice info IMAGE [--json] ',
    'sluice stat MOUNTPOINT [GROUP] [--json] ',
  ]) {
    t.true(stdout.includes(synopsis), synopsis);
  }
});

test('COMMAND --help has examples', (t) => {
  for (const command of ['mount', 'umount', 'info', 'stat']) {
    const { status, stdout } = sluice(command, '--help');
    t.is(status, 0);
    t.regex(stdout, new RegExp(`Examples:\\n  sluice ${command} `));
  }
});

test('sluice info --json is made for programs', (t) => {
  const { status, stdout } = sluice('info', 'disk.img', '--json');
  t.is(status, 0);
  const { alignment, ...rest } = JSON.parse(stdout);
  t.true(alignment === null || alignment >= 512);
  t.deepEqual(rest, {
    path: join(folder, 'disk.img'),
    format: 'raw',
    virtualSize: 1_048_576,
    hostSize: 1_048_576,
    allocated: 0,
    blockDevice: false,
    chain: [
      {
        path: join(folder, 'disk.img'),
        format: 'raw',
        virtualSize: 1_048_576,
        hostSize: 1_048_576,
        allocated: 0,
        content: { data: 0, compressed: 0, zero: 1_048_576, hole: 0 },
      },
    ],
    features: null,
    snapshots: [],
    content: { data: 0, compressed: 0, zero: 1_048_576, hole: 0 },
    problems: [],
  });
});
