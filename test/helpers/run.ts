import { type ChildProcess, spawn } from 'node:child_process';
import { SLUICE } from '../../tools/lib/program.js';

/** How a child process ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Wall time. */
  ms: number;
  /** The child exceeded its limit and was killed. */
  timedOut: boolean;
}

export interface RunOptions {
  /** Milliseconds after which the child is killed. */
  limitMs?: number;
  env?: NodeJS.ProcessEnv;
}

/** Most commands of the tests take milliseconds; the limit allows for a machine under load. */
export const DEFAULT_LIMIT_MS = 60_000;
/** A killed process that waits on a dead mount may not end: after this time it is given up. */
const KILL_GRACE_MS = 2000;

/** A child process with promises for its end and its output. */
export class Child {
  readonly process: ChildProcess;
  /** Settles when the child has ended and its output is complete. */
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  private readonly start = performance.now();

  constructor(command: string, words: readonly string[], env?: NodeJS.ProcessEnv) {
    this.process = spawn(command, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: env ?? process.env,
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text) => {
      this.stdout += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => {
        this.stderr += error.message;
        resolve(this.outcome(null, null, false));
      });
      this.process.once('close', (code, signal) => resolve(this.outcome(code, signal, false)));
    });
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  outcome(code: number | null, signal: NodeJS.Signals | null, timedOut: boolean): Ended {
    const ms = performance.now() - this.start;
    return { code, signal, stdout: this.stdout, stderr: this.stderr, ms, timedOut };
  }

  /** Waits for the end; after the limit the child is killed. */
  async within(limitMs = DEFAULT_LIMIT_MS): Promise<Ended> {
    const late = await expires(limitMs, this.ended);
    if (late !== EXPIRED) return late;
    this.process.kill('SIGKILL');
    await expires(KILL_GRACE_MS, this.ended);
    return this.outcome(null, 'SIGKILL', true);
  }

  /** Waits until the output matches; throws if the child ends first or the limit passes. */
  async line(pattern: RegExp, limitMs = DEFAULT_LIMIT_MS): Promise<void> {
    const seen = new Promise<'seen'>((resolve) => {
      const look = (): void => {
        if (pattern.test(this.stdout) || pattern.test(this.stderr)) resolve('seen');
      };
      this.process.stdout?.on('data', look);
      this.process.stderr?.on('data', look);
      look();
    });
    const first = await expires(limitMs, Promise.race([seen, this.ended]));
    if (first === 'seen') return;
    const what = first === EXPIRED ? `said nothing like ${pattern} in ${limitMs} ms` : 'ended';
    throw new Error(`process ${this.pid} ${what}: ${this.stdout}${this.stderr}`);
  }
}

/** Runs a program to its end. Does not reject: the caller checks the result. */
export async function run(
  command: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  return new Child(command, words, options.env).within(options.limitMs ?? DEFAULT_LIMIT_MS);
}

/** Runs a program that must succeed; returns its standard output. */
export async function must(
  command: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const ended = await run(command, words, options);
  if (ended.code === 0) return ended.stdout;
  const how = ended.timedOut ? 'did not end in time' : `ended with ${ended.code ?? ended.signal}`;
  throw new Error(`${command} ${words.join(' ')} ${how}: ${ended.stderr || ended.stdout}`);
}

/** Words for node that run `sluice`. */
export function sluiceWords(...words: string[]): string[] {
  return [SLUICE, ...words];
}

/** Runs a command of sluice through its real command line. */
export function sluice(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run(process.execPath, sluiceWords(...words), options);
}

export const EXPIRED = Symbol('expired');

/** The value of a promise, or EXPIRED after so many milliseconds. */
export async function expires<T>(limitMs: number, value: Promise<T>): Promise<T | typeof EXPIRED> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof EXPIRED>((resolve) => {
    timer = setTimeout(() => resolve(EXPIRED), limitMs);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}
