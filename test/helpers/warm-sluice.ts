import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_LIMIT_MS, type Ended, EXPIRED, expires } from './run.js';

const PROGRAM = fileURLToPath(new URL('./warm-sluice-main.js', import.meta.url));

interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process that has loaded the program. It prints to files, so that its output is complete at once. */
class WarmProcess {
  readonly #child: ChildProcess;
  readonly #outputs: readonly number[];
  #lengths: readonly number[] = [0, 0];

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
    this.#outputs = ['stdout', 'stderr'].map((name) => openSync(join(folder, name), 'a+'));
    rmSync(folder, { recursive: true });
    this.#child = fork(PROGRAM, { stdio: ['ignore', ...this.#outputs, 'ipc'], execArgv: [] });
    // The process ends together with the process of the test.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** Runs a command to its end. `isUsable`: the process can run another one. */
  async run(words: readonly string[]): Promise<{ ended: Ended; isUsable: boolean }> {
    const start = performance.now();
    const exit = await expires(DEFAULT_LIMIT_MS, this.#ask(words));
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

let idle: WarmProcess | null = null;

/**
 * Runs `sluice` in a process that has loaded it before, with the same words, output and exit code. For
 * tests that are not about its start. Loading takes 0.2 to 0.5 s of a processor.
 */
export async function warmSluice(words: readonly string[]): Promise<Ended> {
  // No process is idle while another command runs.
  const warm = idle ?? new WarmProcess();
  idle = null;
  const { ended, isUsable } = await warm.run(words);
  if (isUsable && idle === null) idle = warm;
  else if (isUsable) warm.end();
  return ended;
}
