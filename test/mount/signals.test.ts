import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { TRANSPORTS, type TransportName } from '../conformance/exceptions.js';
import { makeCgroup } from '../helpers/cgroup.js';
import { groupFigures, untilQueued } from '../helpers/group-files.js';
import { eventually, isAlive } from '../helpers/proc.js';
import { requires } from '../helpers/requires.js';
import { Child, must } from '../helpers/run.js';
import { type SluiceMount, withMount } from '../helpers/sluice-mount.js';
import { MIB, patternFile, tempFolder } from '../helpers/temp.js';

// A signal that does not kill a process does not make its waiting requests fail: reads stay correct.

/** Reads a file while a signal comes every 10 ms; fails if a read fails. Words: SA_RESTART or not, file. */
const TIMED = `
  use POSIX qw(SIGALRM SA_RESTART); use Time::HiRes qw(setitimer ITIMER_REAL); use Digest::MD5;
  my ($flags, $path) = @ARGV;
  my $handler = POSIX::SigAction->new(sub {}, POSIX::SigSet->new, $flags ? SA_RESTART : 0);
  POSIX::sigaction(SIGALRM, $handler);
  open(my $file, '<:raw', $path) or die "open: $!";
  setitimer(ITIMER_REAL, 0.01, 0.01);
  my $sum = Digest::MD5->new;
  for (;;) {
    my $got = sysread($file, my $bytes, 65536);
    die "read: $!" if !defined $got;
    last if $got == 0;
    $sum->add($bytes);
  }
  print $sum->hexdigest, "\\n";
`;

/** The first word of the output of md5sum(1) and TIMED is the digest. */
const digestOf = (text: string): string => text.split(/\s/)[0]!;

/** Disturbs a reader again and again while it reads. It must still have read everything. */
async function disturbed(
  t: ExecutionContext,
  mount: SluiceMount,
  expected: string,
  disturb: (pid: number) => Promise<void>,
): Promise<void> {
  const reader = new Child('md5sum', [mount.file()]);
  let over = false;
  const ended = reader.within().finally(() => {
    over = true;
  });
  while (!over) await disturb(reader.pid);
  const { code, stdout, stderr } = await ended;
  t.is(code, 0, stderr);
  t.is(digestOf(stdout), expected);
}

interface Freezer {
  add(pid: number): void;
  set(frozen: boolean): void;
}

/** Makes a cgroup of v1 or v2 that can be frozen; null if that is not possible. */
function makeFreezer(t: ExecutionContext): Freezer | null {
  const name = `sluice-test-${process.pid}`;
  for (const root of ['/sys/fs/cgroup/freezer', '/sys/fs/cgroup/unified', '/sys/fs/cgroup']) {
    const folder = join(root, name);
    try {
      makeCgroup(t, folder);
    } catch {
      continue;
    }
    const isFirst = existsSync(join(folder, 'freezer.state'));
    if (!isFirst && !existsSync(join(folder, 'cgroup.freeze'))) continue;
    return {
      add: (pid) => writeFileSync(join(folder, 'cgroup.procs'), `${pid}`),
      set: (frozen) => {
        if (isFirst) writeFileSync(join(folder, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED');
        else writeFileSync(join(folder, 'cgroup.freeze'), frozen ? '1' : '0');
      },
    };
  }
  return null;
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended meanwhile.
  }
}

/** Reads 1 MiB at 4 MiB a second: a quarter of a second, nearly all of it waiting. */
async function withSlowDisk(
  t: ExecutionContext,
  transport: TransportName,
  use: (mount: SluiceMount, digest: string) => Promise<void>,
): Promise<void> {
  const folder = tempFolder(t);
  const image = patternFile(join(folder, 'disk.img'), MIB);
  const stuck = patternFile(join(folder, 'stuck.img'), MIB);
  const groups = ['--group', 'slow:bps=4M', '--assign', 'disk=slow'];
  const words = [...groups, '--group', 'stuck:bps=1', '--assign', 'stuck=stuck'];
  const digest = digestOf(await must('md5sum', [image]));
  await withMount(t, [image, stuck], ['--transport', transport, ...words], (mount) =>
    use(mount, digest),
  );
}

for (const transport of TRANSPORTS) {
  const ring = transport === 'uring' ? (['io_uring'] as const) : [];
  const test = requires('fuse', 'root', 'perl', ...ring);

  test(`${transport}: who waits and is stopped, frozen or signalled goes on and reads right`, (t) =>
    withSlowDisk(t, transport, async (mount, digest) => {
      for (const flags of ['0', '1']) {
        const text = await must('perl', ['-e', TIMED, flags, mount.file()]);
        t.is(digestOf(text), digest, `SA_RESTART ${flags}`);
      }
      await disturbed(t, mount, digest, async (pid) => {
        signalTo(pid, 'SIGSTOP');
        await sleep(20);
        signalTo(pid, 'SIGCONT');
        await sleep(5);
      });
      const freezer = makeFreezer(t);
      if (freezer === null) {
        t.log('skipped: no cgroup can be frozen here');
        return;
      }
      let added = 0;
      await disturbed(t, mount, digest, async (pid) => {
        if (added !== pid) freezer.add(pid);
        added = pid;
        freezer.set(true);
        await sleep(20);
        freezer.set(false);
        await sleep(5);
      });
    }));
}

for (const signal of ['SIGKILL', 'SIGINT', 'SIGQUIT'] as const) {
  const test = requires('fuse', 'root', 'perl', 'io_uring');

  test(`uring: ${signal} ends who waits, after other signals too`, (t) =>
    withSlowDisk(t, 'uring', async (mount) => {
      const reader = new Child('perl', ['-e', TIMED, '0', mount.file('stuck')]);
      t.teardown(() => reader.process.kill('SIGKILL'));
      await untilQueued(mount, 'stuck', 1);
      // Its timer has fired by now, and its request has kept its place.
      await sleep(50);
      t.is((await groupFigures(mount, 'stuck')).queued, 1);
      t.true(isAlive(reader.pid));
      reader.process.kill(signal);
      t.true(await eventually(() => !isAlive(reader.pid)), 'it ends');
      await reader.ended;
      t.is((await groupFigures(mount, 'stuck')).queued, 0);
      t.is((await groupFigures(mount, 'stuck')).rios, 0, 'and is charged nothing');
    }));
}
