import { spawn } from 'node:child_process';

/** How a program ended. */
export interface Finished {
  /** Exit code; null if it was ended by a signal, or by the limit. */
  code: number | null;
  stdout: string;
  stderr: string;
  /** True if it was given up. */
  timedOut: boolean;
}

/**
 * Environment of programs of ours that run in Node.js: options such as --inspect are for the command alone, and
 * reading certificates takes longer than all the rest of a start.
 */
export const PLAIN_NODE = { NODE_OPTIONS: '', NODE_EXTRA_CA_CERTS: '' } as const;

/** A runaway program is cut off. The figures of 10,000 groups are 10 MiB. */
const MAX_OUTPUT = 256 * 1024 * 1024;

/**
 * Runs a program and gives it up when it has said nothing for `limitMs`. A process that waits for a hung FUSE daemon
 * cannot always be killed, nor a thread that does: this process must not wait for either, so what
 * may touch a mount runs in a process of its own that can be left behind.
 *
 * @param given Further variables of its environment, and a descriptor that it gets as its descriptor 3.
 * @throws what spawn reports, for instance ENOENT
 */
export function runProgram(
  program: string,
  args: readonly string[],
  limitMs: number,
  given: { env?: Readonly<Record<string, string>>; descriptor?: number } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    // Messages are matched by callers, so they must not be translated.
    const env = { ...process.env, LC_ALL: 'C', ...PLAIN_NODE, ...given.env };
    const { descriptor = 'ignore' } = given;
    const child = spawn(program, args, {
      cwd: '/',
      env,
      stdio: ['ignore', 'pipe', 'pipe', descriptor],
    });
    const output = { stdout: '', stderr: '' };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve({ code: null, ...output, timedOut: true });
    }, limitMs);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
        timer.refresh();
        if (output[name].length < MAX_OUTPUT) output[name] += chunk;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output, timedOut: false }));
    for (const event of ['error', 'close']) child.once(event, () => clearTimeout(timer));
  });
}
