import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ExecutionContext } from 'ava';
import { tempFolder } from './temp.js';

/** The server that is here: Valkey, or Redis, whose commands it has. */
export function storeProgram(): string | null {
  const names = ['valkey-server', 'redis-server'];
  return names.find((name) => spawnSync(name, ['--version']).status === 0) ?? null;
}

/** A server of Valkey or Redis on a Unix socket, which keeps nothing on the disk. */
export class StoreServer {
  readonly folder: string;
  readonly socket: string;
  readonly #words: readonly string[];
  #child: ChildProcess | null = null;

  /** @param words Further words of its command line. */
  constructor(t: ExecutionContext, ...words: string[]) {
    this.folder = tempFolder(t);
    this.socket = join(this.folder, 's');
    this.#words = words;
    t.teardown(() => this.kill());
  }

  /** Starts it, empty; returns when it answers. */
  async start(): Promise<void> {
    const own = ['--port', '0', '--unixsocket', this.socket, '--save', '', '--dir', this.folder];
    const child = spawn(storeProgram()!, [...own, ...this.#words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    const told: string[] = [];
    for await (const line of createInterface(child.stdout!)) {
      told.push(line);
      if (line.includes('connections at')) {
        // Nobody reads what it tells from now on, and it must not wait for that.
        child.stdout!.resume();
        return;
      }
    }
    throw new Error(`the server does not begin:\n${told.join('\n')}`);
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}
