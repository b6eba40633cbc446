import { type ChildProcess, spawn } from 'node:child_process';
import { PLAIN_NODE } from './run-program.js';

/** What a program has said since the last answer, without the empty line that ends it. */
export type Answer = { text: string } | 'ended' | 'late';

/**
 * A program that answers again and again: once when it starts, and once for each byte that it is sent. An
 * empty line ends each answer. Like `runProgram`, it can be left behind: it may hang on a mount for ever.
 */
export class ProgramAnswers {
  readonly #child: ChildProcess;
  #text = '';
  #hasEnded = false;
  /** Looks whether there is an answer now; set while somebody waits for one. */
  #look = (): void => {};

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, {
      cwd: '/',
      env: { ...process.env, LC_ALL: 'C', ...PLAIN_NODE },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      this.#text += chunk;
      this.#look();
    });
    const ended = (): void => {
      this.#hasEnded = true;
      this.#look();
    };
    this.#child.once('close', ended).once('error', ended);
    // The program has ended: `close` tells.
    this.#child.stdin!.on('error', () => {});
  }

  ask(): void {
    this.#child.stdin!.write('\n');
  }

  /** The next answer; `late` after `limitMs`. One call at a time. */
  next(limitMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle('late'), limitMs);
      const settle = (answer: Answer): void => {
        clearTimeout(timer);
        this.#look = () => {};
        resolve(answer);
      };
      this.#look = () => {
        const end = this.#text.startsWith('\n') ? 0 : this.#text.indexOf('\n\n') + 1;
        if (end > 0 || this.#text.startsWith('\n')) {
          const text = this.#text.slice(0, end);
          this.#text = this.#text.slice(end + 1);
          settle({ text });
        } else if (this.#hasEnded) settle('ended');
      };
      this.#look();
    });
  }

  /** Ends the program, or leaves it behind. */
  end(): void {
    this.#child.kill('SIGKILL');
    this.#child.stdin!.destroy();
    this.#child.stdout!.destroy();
    this.#child.unref();
  }
}
