import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { EXPIRED, expires } from './run.js';

/** A task of the agent: a call of the C library on a file of a mount. */
export type AgentCall =
  | { call: 'open'; path: string; flags: number }
  | { call: 'close'; fd: number }
  | { call: 'pread'; fd: number; offset: number; length: number }
  | { call: 'pwrite'; fd: number; offset: number; bytes: Buffer }
  | { call: 'fallocate'; fd: number; mode: number; offset: number; length: number }
  | { call: 'ftruncate'; fd: number; length: number }
  | { call: 'lseek'; fd: number; offset: number; whence: number }
  | { call: 'fsync'; fd: number }
  | { call: 'mapRead'; fd: number; offset: number; length: number }
  | { call: 'mapWrite'; fd: number; offset: number; bytes: Buffer; msync: boolean }
  | { call: 'stat'; path: string }
  | { call: 'closeAll' };

/** The result of a call, or -errno, and the bytes of a read. */
export interface AgentAnswer {
  result: number;
  bytes: Buffer;
}

/** The calls of the tests take less than a second; the limit allows for a machine under load. */
const CALL_LIMIT_MS = 60_000;

const PROGRAM = fileURLToPath(new URL('./file-agent-main.js', import.meta.url));

/** Agents of tests that have ended, for reuse. Starting one takes 0.2 s of a processor. */
const idle: ChildProcess[] = [];

function start(): ChildProcess {
  const child = fork(PROGRAM, { serialization: 'advanced', execArgv: [] });
  // The agent ends together with the process of the tests.
  child.unref();
  child.channel?.unref();
  return child;
}

/**
 * A process that does file operations for a test. A daemon that hangs stops the agent, not the
 * test, which kills it and says which call it was.
 */
export class FileAgent {
  private readonly child = idle.pop() ?? start();
  private isBusy = false;
  private isKnown = false;

  constructor(t: ExecutionContext) {
    t.teardown(() => this.end());
  }

  /** A caller that asks for the pid may do anything to the process, so no other test will reuse it. */
  get pid(): number {
    this.isKnown = true;
    return this.child.pid ?? -1;
  }

  /** Closes its files by a call. If that could hang, or the pid was handed out, ends the process instead. */
  private async end(): Promise<void> {
    if (!this.isBusy && !this.isKnown && this.child.connected) {
      const closed = await this.ask({ call: 'closeAll' }).catch(() => null);
      if (closed !== null) {
        idle.push(this.child);
        return;
      }
    }
    this.child.kill('SIGKILL');
  }

  /** Makes a call and waits for its answer; throws after a time limit. One call at a time. */
  async ask(call: AgentCall): Promise<AgentAnswer> {
    this.isBusy = true;
    const answer = new Promise<AgentAnswer>((resolve, reject) => {
      const gone = (code: number | null, signal: string | null): void => {
        reject(new Error(`${call.call}: the agent ended with ${code ?? signal}`));
      };
      this.child.once('exit', gone);
      this.child.once('message', (message) => {
        this.child.off('exit', gone);
        this.isBusy = false;
        resolve(message as AgentAnswer);
      });
    });
    this.child.send(call);
    const got = await expires(CALL_LIMIT_MS, answer);
    if (got !== EXPIRED) return got;
    this.child.kill('SIGKILL');
    throw new Error(`${call.call} did not return within ${CALL_LIMIT_MS} ms`);
  }

  /** Makes a call and returns its number only. */
  async result(call: AgentCall): Promise<number> {
    return (await this.ask(call)).result;
  }

  /** Opens; returns the descriptor in the agent, or -errno. */
  open(path: string, flags: number): Promise<number> {
    return this.result({ call: 'open', path, flags });
  }

  read(fd: number, offset: number, length: number): Promise<AgentAnswer> {
    return this.ask({ call: 'pread', fd, offset, length });
  }

  write(fd: number, offset: number, bytes: Buffer): Promise<number> {
    return this.result({ call: 'pwrite', fd, offset, bytes });
  }

  close(fd: number): Promise<number> {
    return this.result({ call: 'close', fd });
  }

  /** Size of a file, or -errno. */
  size(path: string): Promise<number> {
    return this.result({ call: 'stat', path });
  }
}
