import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd, UsageError } from './cleanup.js';

/** Number of characters kept of a child's output: enough for fio's JSON of about 12 KiB. */
const OUTPUT_KEPT = 1 << 18;

/** A child process. The last part of its output is kept, and its exit can be awaited. */
export interface Child {
  pid: number;
  /** Standard output and error, the last 256 KiB. */
  output(): string;
  /** Settles when the process has exited; never rejects. */
  exited: Promise<void>;
  /** Settles when the process has exited and all its output has been read; never rejects. */
  closed: Promise<void>;
  isAlive(): boolean;
  /** Its exit code; null while it runs, and if it was ended by a signal. */
  code(): number | null;
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a program without a shell. If the tool ends first, it stops the program. Rejects if the program
 * cannot be started.
 */
export async function start(command: string, args: string[], cwd: string): Promise<Child> {
  let child: Child | null = null;
  const forget = atEnd(async () => {
    if (child) await stop(child);
  });
  const [made, spawned] = make(command, args, cwd);
  child = made;
  made.exited.then(forget);
  await spawned.finally(() => {
    if (made.pid === 0) forget();
  });
  return made;
}

/** The child, and a promise that settles once its program has been started or could not be. */
function make(command: string, args: string[], cwd: string): [Child, Promise<void>] {
  // A group of its own: the terminal's Ctrl-C goes to the tool, which then ends its children in
  // the right order (the mount before the server), and fio's forked jobs can be killed with it.
  const child = spawn(command, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let kept = '';
  const keep = (text: string): void => {
    kept = (kept + text).slice(-OUTPUT_KEPT);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const spawned = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`cannot start ${command}: ${error.message}`)));
  });
  const pid = child.pid ?? 0;
  let alive = pid !== 0;
  let ended: number | null = null;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code) => {
      ended = code;
      alive = false;
      resolve();
    });
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const made: Child = {
    pid,
    exited,
    closed,
    output: () => kept.trim(),
    isAlive: () => alive,
    code: () => ended,
    kill: (signal) => killGroup(pid, signal),
  };
  return [made, spawned];
}

/** Signals the process group of `pid`; it is no error if the group is gone. */
function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the whole group has ended.
  }
}

/** Whether `done` settles within `ms`. */
export async function settles(done: Promise<unknown>, ms: number): Promise<boolean> {
  const abort = new AbortController();
  const late = delay(ms, false, { signal: abort.signal }).catch(() => false);
  const inTime = await Promise.race([done.then(() => true), late]);
  abort.abort();
  return inTime;
}

/** Ends a child by SIGTERM, or by SIGKILL if it still runs after `ms`. Takes bounded time. */
export async function stop(child: Child, ms = 5000): Promise<void> {
  if (!child.isAlive()) return;
  child.kill('SIGTERM');
  if (await settles(child.exited, ms)) return;
  child.kill('SIGKILL');
  await settles(child.exited, ms);
}

/** How a program ended. */
export interface Outcome {
  /** Null if it ended by a signal, or was killed because it took too long. */
  code: number | null;
  stdout: string;
  stderr: string;
  isLate: boolean;
}

/**
 * Runs a program to its end, whatever that is. Rejects only if it cannot be started. The program has a
 * process group of its own, so that a Ctrl-C meant for the tool does not interrupt an unmount of the
 * clean-up.
 */
export async function outcomeOf(
  command: string,
  args: readonly string[],
  timeoutMs = 20_000,
): Promise<Outcome> {
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`cannot start ${command}: ${error.message}`)));
    child.once('close', resolve);
  });
  const isLate = !(await settles(code, timeoutMs));
  if (isLate) child.kill('SIGKILL');
  return { code: isLate ? null : await code, stdout, stderr, isLate };
}

/** Runs a program that must succeed. Resolves to its standard output, rejects with its standard error. */
export async function run(
  command: string,
  args: readonly string[],
  timeoutMs = 20_000,
): Promise<string> {
  const { code, stdout, stderr, isLate } = await outcomeOf(command, args, timeoutMs);
  if (isLate) throw new Error(`${command}: not done in ${timeoutMs} ms`);
  if (code !== 0) throw new Error(stderr.trim() || `${command} failed`);
  return stdout;
}

/**
 * Splits a command line at white space without a shell; single or double quotes hold a word
 * together. Throws UsageError on an open quote or an empty command.
 */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  const word = /\s*((?:"[^"]*"|'[^']*'|[^\s"'])+)/y;
  while (word.lastIndex < line.trimEnd().length) {
    const match = word.exec(line);
    if (!match) throw new UsageError(`"${line}": a quote is not closed`);
    words.push(match[1].replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
  }
  if (words.length === 0) throw new UsageError('a command is empty');
  return words;
}

/** CPU time of a process (all its threads) in clock ticks. */
export interface CpuTime {
  user: number;
  system: number;
}

/** Fields 14 and 15 (utime, stime) of a /proc/PID/stat line; its name field may hold spaces. */
export function parseCpuTime(stat: string): CpuTime {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]), system: Number(fields[12]) };
}

/** CPU time of a live process, null when it is gone. */
export async function cpuTime(pid: number): Promise<CpuTime | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat === null ? null : parseCpuTime(stat);
}

/** Whether a program can be found on PATH. */
export function isInstalled(program: string): Promise<boolean> {
  return run('which', [program]).then(
    () => true,
    () => false,
  );
}
