import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { declare } from '../../src/sys/libc.js';
import { isMounted } from '../lib/mounts.js';
import { type Child, type Outcome, outcomeOf, settles } from '../lib/process.js';
import type { Transport } from './scenario.js';

/** glibc has tgkill(2) only since 2.30. */
const tgkill = declare('int syscall(long number, long pid, long thread, long signal)');
const SYS_TGKILL = 234;

/** How a mount is started. */
export interface MountWay {
  /** A command before the one that mounts: `prlimit ... --`. */
  prefix?: readonly string[];
  /** Options of Node.js. */
  flags?: readonly string[];
  /** Another one than that of the place. */
  transport?: Transport;
}

/** The daemon flushes and ends within this time after its mount is gone. */
const END_LIMIT_MS = 60_000;

/** A mount with its daemon in the foreground, a child of the tool. */
export class Mounted {
  readonly point: string;
  readonly log: string;
  readonly #child: Child;
  readonly #sluice: (words: readonly string[]) => Promise<Outcome>;

  constructor(
    point: string,
    log: string,
    child: Child,
    sluice: (words: readonly string[]) => Promise<Outcome>,
  ) {
    this.point = point;
    this.log = log;
    this.#child = child;
    this.#sluice = sluice;
  }

  /** Process of the daemon. */
  get pid(): number {
    return this.#child.pid;
  }

  file(name = 'disk'): string {
    return join(this.point, `${name}.raw`);
  }

  /** A control file. */
  control(path: string): string {
    return join(this.point, '.groups', path);
  }

  isReady(): boolean {
    return / is ready/.test(this.#child.output());
  }

  isAlive(): boolean {
    return this.#child.isAlive();
  }

  code(): number | null {
    return this.#child.code();
  }

  output(): string {
    return this.#child.output();
  }

  /** The numbers of its threads without those of the kernel (io_uring), the main thread first. */
  threads(): number[] {
    const folder = `/proc/${this.pid}/task`;
    const isOwn = (id: string): boolean => {
      try {
        return !readFileSync(join(folder, id, 'comm'), 'utf8').startsWith('iou-');
      } catch {
        // It has ended meanwhile.
        return false;
      }
    };
    const ids = readdirSync(folder).filter(isOwn).map(Number);
    return ids.sort((a, b) => a - b);
  }

  lastLines(count: number): string {
    try {
      return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-count).join('\n    ');
    } catch {
      return 'no log';
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Signals its last thread alone: with uring the data plane's, or one that it has started. */
  signalThread(signal: 'SIGKILL' | 'SIGSEGV'): void {
    tgkill(SYS_TGKILL, this.pid, this.threads().at(-1)!, constants.signals[signal]);
  }

  isMounted(): Promise<boolean> {
    return isMounted(this.point);
  }

  /** `sluice umount`. */
  umount(...words: string[]): Promise<Outcome> {
    return this.#sluice(['umount', this.point, ...words]);
  }

  /** Unmounts in order. @throws Error if that fails, or if the daemon ends with another code than 0 */
  async finish(): Promise<void> {
    const { code, stderr } = await this.#umountClosed();
    // Somebody else on this machine has a copy of all mounts for a while: the daemon ends with it.
    if (code !== 0 && !/unmounted here, but also/.test(stderr))
      throw new Error(`sluice umount ends with ${code}: ${stderr.trim()}`);
    await this.ended(0);
  }

  /** The kernel tells of a closed file after close(2) has returned: the mount is busy until then. */
  async #umountClosed(): Promise<Outcome> {
    let outcome = await this.umount();
    for (let tries = 0; tries < 10 && /: in use/.test(outcome.stderr); tries++) {
      await delay(100);
      outcome = await this.umount();
    }
    return outcome;
  }

  /**
   * Waits for the daemon's end.
   *
   * @param codes Exit codes that are right; null: a signal
   * @throws Error if it does not end, or with another code
   */
  async ended(...codes: (number | null)[]): Promise<void> {
    if (!(await settles(this.#child.closed, END_LIMIT_MS))) {
      throw new Error(`the daemon ${this.pid} does not end within ${END_LIMIT_MS} ms`);
    }
    const code = this.code();
    if (!codes.includes(code)) {
      throw new Error(`the daemon ended with ${code ?? 'a signal'}, not ${codes.join(' or ')}`);
    }
  }

  /** Figures of the line `total` of a group's io.stat, read by a process that may hang. */
  async figures(group: string): Promise<Record<string, number>> {
    const path = this.control(join(group, 'io.stat'));
    const { code, stdout, stderr } = await outcomeOf('cat', [path], 10_000);
    if (code !== 0) throw new Error(`${path}: ${stderr.trim() || 'no answer'}`);
    const total = stdout.split('\n').find((line) => line.startsWith('total ')) ?? '';
    const pairs = total.split(' ').slice(1);
    return Object.fromEntries(
      pairs.map((pair) => [pair.split('=')[0], Number(pair.split('=')[1])]),
    );
  }

  /** Removes it in any state: aborts the mount, ends the daemon. */
  async remove(): Promise<void> {
    for (let tries = 0; tries < 3 && (await isMounted(this.point)); tries++) {
      await outcomeOf('umount', ['-i', '-c', '-f', '-l', this.point], 5000);
    }
    if (this.isAlive()) {
      this.signal('SIGCONT');
      this.signal('SIGKILL');
    }
    if (!(await settles(this.#child.exited, 10_000))) {
      throw new Error(`the daemon ${this.pid} does not end`);
    }
    if (await isMounted(this.point)) throw new Error('it stays mounted');
  }
}
