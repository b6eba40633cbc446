import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { type Ended, run, sluiceWords } from './run.js';

/** The user `nobody` of most systems. */
const OTHER_ID = 65534;

/** Runs programs as an unprivileged user. */
export class OtherUser {
  private readonly t: ExecutionContext;
  private readonly environment: readonly string[];

  /**
   * @param owned files and folders that become this user's
   * @param folder the folder that contains them; becomes readable
   * @param path $PATH of the programs
   */
  constructor(t: ExecutionContext, owned: readonly string[], folder: string, path?: string) {
    this.t = t;
    this.environment = [`PATH=${path ?? process.env.PATH}`, `HOME=${folder}`];
    chmodSync(folder, 0o755);
    for (const file of owned) chownSync(file, OTHER_ID, OTHER_ID);
  }

  run(command: string, ...words: string[]): Promise<Ended> {
    return run('setpriv', this.words(command, words));
  }

  /** Starts a program, which is killed at the end of the test. */
  start(command: string, ...words: string[]): ChildProcessWithoutNullStreams {
    const child = spawn('setpriv', this.words(command, words));
    this.t.teardown(() => child.kill('SIGKILL'));
    return child;
  }

  sluice(...words: string[]): Promise<Ended> {
    return this.run(process.execPath, ...sluiceWords(...words));
  }

  private words(command: string, words: readonly string[]): string[] {
    const ids = [`--reuid=${OTHER_ID}`, `--regid=${OTHER_ID}`, '--clear-groups'];
    return [...ids, 'env', ...this.environment, command, ...words];
  }

  /** True if this user can read the program; if not, logs this and passes the test. */
  async canRun(): Promise<boolean> {
    const { code, stderr } = await this.sluice('--version');
    if (code === 0) return true;
    this.t.log(`skipped: another user cannot run the program: ${stderr}`);
    this.t.pass();
    return false;
  }
}
