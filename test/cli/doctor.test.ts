import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { ownNamespace } from '../helpers/namespace.js';
import { OtherUser } from '../helpers/other-user.js';
import { mountTest, requires } from '../helpers/requires.js';
import { type Ended, run, sluice, sluiceWords } from '../helpers/run.js';
import { tempFolder } from '../helpers/temp.js';

const nativeTest = requires('fuse', 'root');
const userTest = requires('fuse', 'root', 'setpriv');

const DENY = fileURLToPath(new URL('../fixtures/deny-io-uring-main.js', import.meta.url));

const NAMES = [
  'kernel',
  'FUSE',
  '/dev/fuse',
  'io_uring',
  'fuse-native',
  'fuse-uring',
  'passthrough',
  'mount rights',
  'fusermount3',
  'user_allow_other',
  'open files',
  'locked memory',
];

interface Diagnosis {
  works: boolean;
  transport: string | null;
  why: string;
  checks: { name: string; state: string; found: string; advice: string }[];
}

/** Parses the output of `sluice doctor --json`; each missing thing must have a sentence of advice. */
function parse(t: ExecutionContext, { stdout }: Ended): Diagnosis {
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  t.deepEqual(Object.keys(diagnosis), ['works', 'transport', 'why', 'checks']);
  t.deepEqual(
    diagnosis.checks.map(({ name }) => name),
    NAMES,
  );
  for (const { name, state, found, advice } of diagnosis.checks) {
    t.not(found, '', name);
    t.is(advice === '', state === 'yes', `${name}: ${state}, "${advice}"`);
  }
  return diagnosis;
}

function stateOf({ checks }: Diagnosis, wanted: string): string {
  const one = checks.find(({ name }) => name === wanted)!;
  return `${one.state}: ${one.found}`;
}

/** Runs the doctor in a mount namespace of its own, after a line of shell. */
function behind(line: string, before: readonly string[] = []): Promise<Ended> {
  const program = [...before, process.execPath, ...sluiceWords('doctor', '--json')];
  const shell = ['sh', '-c', `${line} && exec "$@"`, 'sh', ...program];
  return run('unshare', ownNamespace(shell));
}

mountTest('on a machine that has all, a mount works by the ring: text and --json', async (t) => {
  const ended = await sluice(['doctor', '--json']);
  t.deepEqual([ended.code, ended.stderr], [0, '']);
  const diagnosis = parse(t, ended);
  t.deepEqual([diagnosis.works, diagnosis.transport], [true, 'uring']);
  t.is(stateOf(diagnosis, 'kernel'), `yes: ${release()}`);
  t.regex(stateOf(diagnosis, 'FUSE'), /^yes: protocol 7\.\d\d, /);
  t.regex(stateOf(diagnosis, 'io_uring'), /^yes: .*timed wait/);
  t.is(stateOf(diagnosis, 'mount rights'), 'yes: root');
  const text = await sluice(['doctor']);
  t.deepEqual([text.code, text.stderr], [0, '']);
  for (const name of NAMES) t.regex(text.stdout, new RegExp(`^${name} +(yes|no) +\\S`, 'm'), name);
  t.true(text.stdout.endsWith('\nauto: uring (io_uring works here)\na mount would work\n'));
  const missing = diagnosis.checks.filter(({ state }) => state === 'no');
  t.is(text.stdout.match(/^ +-> \S/gm)?.length ?? 0, missing.length);
});

nativeTest('where io_uring is forbidden, a mount works by fuse-native', async (t) => {
  const ended = await run(process.execPath, [DENY, ...sluiceWords('doctor', '--json')]);
  t.is(ended.code, 0, ended.stderr);
  const diagnosis = parse(t, ended);
  t.deepEqual([diagnosis.works, diagnosis.transport], [true, 'fuse-native']);
  t.regex(diagnosis.why, /^io_uring: forbidden here, .*seccomp/);
  t.regex(stateOf(diagnosis, 'io_uring'), /^no: forbidden here/);
  t.is(stateOf(diagnosis, 'fuse-native'), 'yes: can be loaded');
});

nativeTest('where nothing works that is said, with code 4', async (t) => {
  const env = { ...process.env, SLUICE_FUSE_NATIVE: '/nowhere/fuse-native' };
  for (const words of [['--json'], []]) {
    const ended = await run(process.execPath, [DENY, ...sluiceWords('doctor', ...words)], { env });
    t.is(ended.code, 4);
    t.is(ended.stderr, 'sluice: doctor: a mount would not work here; see above\n');
    if (words.length === 0) {
      t.regex(
        ended.stdout,
        /\nno transport works: io_uring: .*; fuse-native: .*\na mount would not/,
      );
      continue;
    }
    const diagnosis = parse(t, ended);
    t.deepEqual([diagnosis.works, diagnosis.transport], [false, null]);
    t.regex(stateOf(diagnosis, 'fuse-native'), /^no: fuse-native: cannot be loaded/);
  }
});

nativeTest(
  'without /dev/fuse, or where it may not be opened, a mount would not work',
  async (t) => {
    const ends = {
      ENOENT: 'mount -t tmpfs none /dev',
      EACCES: 'mount -t tmpfs -o nodev none /dev && mknod /dev/fuse c 10 229',
    };
    for (const [code, line] of Object.entries(ends)) {
      const ended = await behind(line);
      t.is(ended.code, 4, `${code}: ${ended.stderr}`);
      const diagnosis = parse(t, ended);
      t.false(diagnosis.works);
      t.is(stateOf(diagnosis, '/dev/fuse'), `no: ${code}`);
    }
  },
);

nativeTest('small limits are told, and do not keep a mount from working', async (t) => {
  const ended = await behind('ulimit -n 256 && ulimit -l 16');
  t.is(ended.code, 0, ended.stderr);
  const diagnosis = parse(t, ended);
  t.is(stateOf(diagnosis, 'open files'), 'no: 256');
  t.is(stateOf(diagnosis, 'locked memory'), 'no: 16384');
});

nativeTest('user_allow_other is found in the configuration of fuse', async (t) => {
  for (const [text, state] of [
    ['# user_allow_other\n', 'no: not set'],
    ['mount_max = 10\nuser_allow_other\n', 'yes: set'],
  ] as const) {
    const written = `printf '${text.replaceAll('\n', '\\n')}' > /etc/fuse.conf`;
    const ended = await behind(`mount -t tmpfs none /etc && ${written}`);
    t.is(stateOf(parse(t, ended), 'user_allow_other'), state);
  }
});

userTest('root that may not mount is told so', async (t) => {
  const drop = ['--bounding-set=-sys_admin', '--inh-caps=-sys_admin'];
  const program = [process.execPath, ...sluiceWords('doctor', '--json')];
  const ended = await run('setpriv', [...drop, ...program]);
  t.is(ended.code, 4, ended.stderr);
  t.is(stateOf(parse(t, ended), 'mount rights'), 'no: root without CAP_SYS_ADMIN');
});

userTest('a user mounts by fusermount3, and without it not at all', async (t) => {
  if (!(await new OtherUser(t, [], tempFolder(t)).canRun())) return;
  const device = 'mount -t tmpfs none /dev && mknod -m 666 /dev/fuse c 10 229';
  const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const ended = await behind(device, user);
  t.is(ended.code, 0, ended.stderr);
  t.is(stateOf(parse(t, ended), 'mount rights'), 'yes: by fusermount3');
  const refused = await behind(device, [...user, 'env', 'PATH=/nowhere']);
  t.is(refused.code, 4);
  const diagnosis = parse(t, refused);
  t.is(stateOf(diagnosis, 'fusermount3'), 'no: not found');
  t.is(stateOf(diagnosis, 'mount rights'), 'no: neither root nor fusermount3');
});
