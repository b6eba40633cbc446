import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { SLUICE } from '../../tools/lib/program.js';

const { version: VERSION } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  version: string;
};
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
writeFileSync(join(folder, 'vm.E01'), 'EVF\t\r\n\xff\0', 'latin1');

function sluice(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SLUICE, ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

/** Command line, exit code, and the single line on stderr after `sluice: `. */
const REFUSED: [string, number, string][] = [
  [
    '--no-verbose',
    2,
    'name a command: mount, umount, info, map, stat, top, set, partitions, list, attach, detach, resize, faults, overlay, reload, restart, save, config, completion, doctor; see sluice --help',
  ],
  ['nonsense', 2, 'nonsense: unknown command; see sluice --help'],
  ['help nonsense', 2, 'nonsense: unknown command; see sluice --help'],
  ['moutn disk.img mnt', 2, 'moutn: unknown command; did you mean mount?'],
  ['-- -mount', 2, '-mount: unknown command; did you mean mount?'],
  [
    'mount',
    2,
    'mount: name at least one image, or --empty, and, last, the mount point: sluice mount disk.img /mnt/s',
  ],
  [
    'mount disk.img',
    2,
    'mount: name at least one image, or --empty, and, last, the mount point: sluice mount disk.img /mnt/s',
  ],
  ['mount disk.img mnt --bogus', 2, 'mount: --bogus: unknown option; see sluice mount --help'],
  [
    'mount disk.img mnt --raed-only',
    2,
    'mount: --raed-only: unknown option; did you mean --read-only?',
  ],
  ['mount disk.img mnt --group', 2, 'mount: --group: its value is missing'],
  [
    'mount -odeev disk.img mnt',
    2,
    'mount: mount option "deev" is not known; see mount(8) and mount.fuse3(8)',
  ],
  ['mount -- --read-only mnt', 1, 'mount: --read-only: no such file'],
  ['umount -- --force more', 2, 'umount: more: too many words; expected sluice umount MOUNTPOINT'],
  ['stat -- --json', 4, 'stat: --json: sluice is not mounted there'],
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
    'mount vm.E01 mnt',
    3,
    'mount: vm.E01: looks like ewf, which this version cannot mount; ' +
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
    t.deepEqual(sluice(...line.split(' ')), {
      status: code,
      stdout: '',
      stderr: `sluice: ${message}\n`,
    });
  });
}

test('without a word the help goes to stderr', (t) => {
  const { status, stdout, stderr } = sluice();
  t.deepEqual([status, stdout], [2, '']);
  t.deepEqual(stderr, sluice('--help').stdout);
});

test('--verbose adds the stack, with every command', (t) => {
  for (const words of ['mount nowhere.img mnt --verbose', '--verbose map nowhere.img']) {
    const { stderr } = sluice(...words.split(' '));
    const [first = '', second = '', third = ''] = stderr.split('\n');
    t.regex(first, /^sluice: (mount|map): nowhere.img: no such file$/);
    t.regex(second, /^SluiceError: /);
    t.regex(third, /^ {4}at /);
  }
  // After -- it is an operand.
  t.is(sluice('map', 'nowhere.img', '--', '--verbose').stderr.split('\n').length, 2);
});

for (const word of ['--version', '-v']) {
  test(`${word} prints the version of package.json`, (t) => {
    t.deepEqual(sluice(word), { status: 0, stdout: `${VERSION}\n`, stderr: '' });
  });
}

for (const words of ['--help', '-h', 'help']) {
  test(`"sluice ${words}" names the commands and goes to stdout`, (t) => {
    const { status, stdout, stderr } = sluice(words);
    t.is(status, 0);
    t.is(stderr, '');
    for (const synopsis of [
      'sluice mount [NAME=]IMAGE... MOUNTPOINT ',
      'sluice umount MOUNTPOINT ',
      'sluice info IMAGE [--json] ',
      'sluice stat MOUNTPOINT [GROUP] [--callers] [--watch] [--json] ',
    ]) {
      t.true(stdout.includes(synopsis), synopsis);
    }
  });
}

/** Runs a line of shell in which `sluice` means the built program. */
function shell(line: string, env: NodeJS.ProcessEnv = process.env) {
  const script = `sluice() { "${process.execPath}" "${SLUICE}" "$@"; }\n${line}`;
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', script], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
    env,
  });
  return { status, stdout, stderr };
}

for (const words of ['--help', '--version', 'info disk.img', 'map disk.img', 'doctor --json']) {
  test(`"sluice ${words}" fails in one line when it cannot print`, (t) => {
    const { status, stderr } = shell(`sluice ${words} > /dev/full`);
    t.is(status, 1);
    t.regex(stderr, /^sluice: (\w+: )?standard output: no space is left there \(ENOSPC\)\n$/);
  });
}

test('a reader that goes away is no fault', (t) => {
  // Islands of one block each, so many that the output exceeds the buffer of a pipe.
  const fd = openSync(join(folder, 'islands.img'), 'w');
  for (let at = 0; at < 4000; at++) writeSync(fd, 'x', at * 32768);
  closeSync(fd);
  const { status, stdout, stderr } = shell('sluice map islands.img --json | head -c 1');
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '[', stderr: '' });
  t.is(shell('sluice map islands.img --json | (sleep 0.3; wc -l)').stdout.trim(), '8000');
});

test('the language of the caller changes nothing', (t) => {
  const { LC_ALL, LC_MESSAGES, LANG, ...rest } = process.env;
  const env = { ...rest, LANGUAGE: 'de_DE.UTF-8' };
  t.is(shell('sluice mount --help', env).stdout, sluice('mount', '--help').stdout);
  t.is(shell('sluice umount', env).stderr, sluice('umount').stderr);
});

test('COMMAND --help has examples, and fits a terminal', (t) => {
  for (const command of ['mount', 'umount', 'info', 'map', 'stat', 'set', 'doctor']) {
    const { status, stdout } = sluice(command, '--help');
    t.is(status, 0);
    t.regex(stdout, new RegExp(`Examples:\\n  sluice ${command} `));
    t.true(Math.max(...stdout.split('\n').map((line) => line.length)) <= 80);
    t.deepEqual(sluice('help', command), { status, stdout, stderr: '' });
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
    passthroughProblem: null,
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
    partitionTable: null,
    problems: [],
  });
});
