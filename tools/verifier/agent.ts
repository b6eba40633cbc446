import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A task of the agent: a system call on a file of a mount. Ranges are in sectors. */
export type AgentTask =
  | { call: 'open'; path: string; flags: number }
  | { call: 'close'; fd: number }
  | { call: 'read'; fd: number; image: number; sector: number; count: number }
  | { call: 'write'; fd: number; image: number; sector: number; count: number; generation: number }
  | { call: 'zero' | 'discard'; fd: number; sector: number; count: number }
  | { call: 'truncate'; fd: number; sectors: number }
  | { call: 'sync'; fd: number }
  | { call: 'mkdir' | 'rmdir'; path: string }
  /** Writes a control file. */
  | { call: 'put'; path: string; text: string };

export interface AgentAnswer {
  /** As the system call returned it, or -errno. */
  result: number;
  /** Of the whole sectors that were read. */
  generations?: Uint32Array;
}

/** Calls of one agent that the kernel has at the same time. */
const CALLS_AT_ONCE = 32;

const PROGRAM = fileURLToPath(new URL('./agent-main.js', import.meta.url));

/** No answer within the limit: the mount hangs. */
export class Hang extends Error {}

/**
 * A process that uses a mount for a tool. A mount that hangs stops the agent and not the tool, which
 * then says which calls have no answer.
 */
export class Agent {
  /** How long a call may take, milliseconds. A throttled call may take long. */
  limitMs = 60_000;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: AgentAnswer) => void>();
  #id = 0;
  #isGone = false;

  constructor() {
    this.#child = fork(PROGRAM, {
      serialization: 'advanced',
      execArgv: [],
      // Ctrl-C is for the tool, which ends the agent.
      detached: true,
      env: { ...process.env, UV_THREADPOOL_SIZE: String(CALLS_AT_ONCE) },
    });
    this.#child.on('message', ({ id, answer }: { id: number; answer: AgentAnswer }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    this.#child.on('exit', () => {
      this.#isGone = true;
    });
    this.#child.on('error', () => {
      this.#isGone = true;
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Number of calls without an answer. */
  get outstanding(): number {
    return this.#waiting.size;
  }

  /** @throws Hang if there is no answer within `limitMs`. */
  ask(task: AgentTask): Promise<AgentAnswer> {
    const id = this.#id++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        const what = this.#isGone ? 'its process is gone' : `no answer in ${this.limitMs} ms`;
        reject(new Hang(`${JSON.stringify(task)}: ${what}`));
      }, this.limitMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      if (!this.#isGone) this.#child.send({ id, task });
    });
  }

  async result(task: AgentTask): Promise<number> {
    return (await this.ask(task)).result;
  }

  /** Opens a file. @throws Error if that fails */
  async open(path: string, flags: number): Promise<number> {
    const fd = await this.result({ call: 'open', path, flags });
    if (fd < 0) throw new Error(`open ${path}: errno ${-fd}`);
    return fd;
  }

  /** Ends the process. One that waits in the kernel ends when its mount does. */
  end(): void {
    this.#child.kill('SIGKILL');
  }
}
