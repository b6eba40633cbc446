import { mkdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { atEnd } from '../lib/cleanup.js';

/** A way to run fio as a certain caller, and the member that matches this caller. */
export interface Caller {
  /** As in `--assign`. */
  member: string;
  prefix: readonly string[];
}

/** Users without an account: numbers are enough. */
const FIRST_UID = 64_001;

/** The callers of a case, `count` different ones. */
export async function makeCallers(by: 'cgroup' | 'uid', count: number): Promise<Caller[]> {
  const callers: Caller[] = [];
  for (let index = 0; index < count; index++) {
    callers.push(by === 'uid' ? userCaller(FIRST_UID + index) : await cgroupCaller(index));
  }
  return callers;
}

function userCaller(uid: number): Caller {
  const ids = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  return { member: `uid:${uid}`, prefix: ['setpriv', ...ids] };
}

/** A cgroup that is removed when the tool ends. */
async function cgroupCaller(index: number): Promise<Caller> {
  const { folder, root } = await cgroupMount();
  const name = `sluice-bench-${process.pid}-${index}`;
  const place = join(folder, name);
  await mkdir(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  atEnd(() => rmdir(place).catch(() => {}));
  const enter = `echo $$ > '${place}/cgroup.procs' && exec "$@"`;
  return { member: `cgroup:${join(root, name)}`, prefix: ['sh', '-c', enter, 'sh'] };
}

/** The mount point of a cgroup hierarchy, preferably v2, and the part of it that is mounted there. */
async function cgroupMount(): Promise<{ folder: string; root: string }> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const line =
    lines.find((one) => / - cgroup2 /.test(one)) ?? lines.find((one) => / - cgroup /.test(one));
  const [, , , root, folder] = line?.split(' ') ?? [];
  if (root === undefined || folder === undefined) throw new Error('no cgroups on this machine');
  return { folder, root };
}
