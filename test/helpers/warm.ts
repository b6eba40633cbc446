import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { SLUICE } from '../../tools/lib/program.js';
import { DEFAULT_LIMIT_MS, type Ended, EXPIRED, expires } from './run.js';

const MAIN = fileURLToPath(new URL('./warm-main.js', import.meta.url));

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process that has loaded the program. It prints to files, so that its output is complete at once. */
class WarmProcess {
  readonly #child: ChildProcess;
  readonly #outputs: readonly number[];
  #lengths: readonly number[] = [0, 0];

  constructor(program: string, env: NodeJS.ProcessEnv) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    this.#outputs = ['stdout', 'stderr'].map((name) => openSync(join(folder, name), 'a+'));
    rmSync(folder, { recursive: true });
    const stdio = ['ignore' as const, ...this.#outputs, 'ipc' as const];
    this.#child = fork(MAIN, [program], { stdio, execArgv: [], env });
    // It ends with the process of the test.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** Runs a command to its end. `isUsable`: the process can run another one. */
  async run(
    words: readonly string[],
    limitMs: number,
  ): Promise<{ ended: Ended; isUsable: boolean }> {
    const start = performance.now();
    const exit = await expires(limitMs, this.#ask(words));
    const ms = performance.now() - start;
    const timedOut = exit === EXPIRED;
    const isUsable = !timedOut && this.#child.connected;
    const [stdout = '', stderr = ''] = this.#takeOutput();
    if (!isUsable) this.end();
    const how: Exit = timedOut ? { code: null, signal: 'SIGKILL' } : exit;
    return { ended: { ...how, stdout, stderr, ms, timedOut }, isUsable };
  }

  #ask(words: readonly string[]): Promise<Exit> {
    return new Promise((resolve) => {
      const answered = (code: unknown): void => settle({ code: Number(code), signal: null });
      const gone = (code: number | null, signal: NodeJS.Signals | null): void =>
        settle({ code, signal });
      const settle = (exit: Exit): void => {
        this.#child.off('message', answered).off('exit', gone);
        resolve(exit);
      };
      this.#child.once('message', answered).once('exit', gone);
      this.#child.send(words);
    });
  }

  /** The output since the last call: stdout, stderr. */
  #takeOutput(): readonly string[] {
    const all = this.#outputs.map((fd) => readFileSync(`/proc/self/fd/${fd}`));
    const texts = all.map((bytes, index) => bytes.toString('utf8', this.#lengths[index]));
    this.#lengths = all.map(({ length }) => length);
    return texts;
  }

  end(): void {
    this.#child.kill('SIGKILL');
    for (const fd of this.#outputs) closeSync(fd);
  }
}

/** Those that wait for a command. */
const idle = new Map<string, WarmProcess>();

/**
 * Runs a program of ours for tests that are not about starting it: the same program, with its words, output
 * and exit code, in a process that has loaded it before. Loading takes 0.2 to 0.5 s of a processor.
 *
 * @param program Its address. It is a module that says with process.exitCode how it has ended.
 */
async function runWarm(
  program: URL,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  limitMs: number,
): Promise<Ended> {
  // There is none while another command runs.
  const warm = idle.get(program.href) ?? new WarmProcess(program.href, env);
  idle.delete(program.href);
  const { ended, isUsable } = await warm.run(words, limitMs);
  if (!isUsable) return ended;
  if (idle.has(program.href)) warm.end();
  else idle.set(program.href, warm);
  return ended;
}

/** Thousands of operations take 10 s; this is for a machine under load. */
const EXERCISER_LIMIT_MS = 240_000;
const EXERCISER = new URL('../../tools/exerciser.js', import.meta.url);

export function warmSluice(words: readonly string[]): Promise<Ended> {
  return runWarm(pathToFileURL(SLUICE), words, process.env, DEFAULT_LIMIT_MS);
}

export function warmExerciser(words: readonly string[]): Promise<Ended> {
  // It writes with eight threads at most, and would start another process for them.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '8' };
  return runWarm(EXERCISER, words, env, EXERCISER_LIMIT_MS);
}
