import { join } from 'node:path';
import { type Ended, must, run } from './run.js';
import type { SluiceMount } from './sluice-mount.js';

/** Uses the groups of a mount as a shell would: each call is a child process with a time limit. */
export class Control {
  readonly folder: string;

  constructor(mount: SluiceMount) {
    this.folder = join(mount.point, '.groups');
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** `cat` of a file, for instance `gold/io.max`. */
  read(path: string): Promise<string> {
    return must('cat', [this.path(path)]);
  }

  /** Runs a shell script in `.groups`. */
  shell(script: string): Promise<Ended> {
    return run('bash', ['-c', `cd "$0" && ${script}`, this.folder]);
  }

  /** Runs a shell script that must succeed; returns what it prints. */
  must(script: string): Promise<string> {
    return must('bash', ['-ec', `cd "$0"; ${script}`, this.folder]);
  }

  /** A line of `io.stat` as numbers; null if there is no such member. */
  async figures(group: string, member = 'total'): Promise<Record<string, number> | null> {
    const text = await this.read(join(group, 'io.stat'));
    const line = text.split('\n').find((one) => one.startsWith(`${member} `));
    if (line === undefined) return null;
    const pairs = line.slice(member.length + 1).split(' ');
    return Object.fromEntries(
      pairs.map((pair) => [pair.split('=')[0], Number(pair.split('=')[1])]),
    );
  }
}
