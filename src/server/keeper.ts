import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import type { KeepConfig } from '../plane/messages.js';
import { SnapshotFile } from '../plane/snapshot-file.js';
import { MFD_CLOEXEC, O_CLOEXEC } from '../sys/constants.js';
import { close, memfdCreate, open, pipe2 } from '../sys/libc.js';
import { PLAIN_NODE } from '../sys/run-program.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import { KEEPER } from './config.js';
import { identify, isRunning, type ProcessId, waitForEnd } from './processes.js';
import { type Handed, STATE_VERSION } from './successor.js';

/** Descriptors of a daemon that a keeper has started: the guard, `Kept`, and a KeptState. */
export const GUARD = 3;
export const KEPT = 4;
export const KEPT_STATE = 5;

/** Most starts of a daemon in a minute. */
export const STARTS_MAX = 5;
export const STARTS_MS = 60_000;

/** A process that was killed has ended by then, or the machine has other troubles. */
const END_LIMIT_MS = 10_000;

/**
 * A keeper holds descriptors and reads from a pipe, the guard. Its end comes when all writers have closed it: the daemon and
 * the last request of its ring are gone. Then it opens the guard for the next daemon, starts that, and waits again. A line
 * tells that a daemon serves: only starts that come to nothing are counted here. The daemon is no child of it: `read` must not
 * be interrupted by the end of one.
 *
 * Its arguments are the mount point, Node.js and the daemon's program, in this order: whoever looks for the daemon of a mount
 * looks for a process whose last two arguments are the program and the mount point, and must not find the keeper.
 */
const SCRIPT = `starts=0
while [ $starts -le ${STARTS_MAX} ]; do
  read -r line && starts=0 && continue
  starts=$((starts + 1))
  exec ${GUARD}>/proc/self/fd/0
  (${KEEPER}=$$ "$2" "$3" "$1" </dev/null &)
  exec ${GUARD}>&-
done`;

/** What a keeper has for the next daemon. Plain data; descriptors have the numbers of that one. */
export interface Kept extends Omit<Handed, 'state' | 'groups' | 'assignments' | 'depth'> {
  version: number;
  /** When daemons went on with the mount, milliseconds since boot. */
  starts: number[];
  /** The daemon that serves the mount. */
  daemon: ProcessId;
}

/**
 * A small process that starts a daemon for the mount if this one dies, seen from this one. It has the descriptors of
 * the mount, so the mount, the locks and the requests that wait outlive the daemon.
 */
export class Keeper {
  readonly config: KeepConfig;
  /** The first descriptor of the mount in the next daemon. */
  readonly first = KEPT_STATE + 1;
  /** The other end of the guard, which keepers read. */
  readonly #read: number;
  readonly #starts: number[];
  #process: ProcessId | null;
  /** The end of the process is our wish. */
  #isStopping = false;

  /** @param process The keeper that there is already, and `starts` what it knows. */
  constructor(config: KeepConfig, read: number, starts: number[], process: ProcessId | null) {
    this.config = config;
    this.#read = read;
    this.#starts = starts;
    this.#process = process;
  }

  /** @throws SluiceError EMFILE and others of a process that may have nothing more */
  static make(): Keeper {
    const pair = new Int32Array(2);
    const state = memfdCreate('sluice-state', MFD_CLOEXEC);
    if (state < 0 || pipe2(pair, O_CLOEXEC) < 0) throw none();
    return new Keeper({ state, guard: pair[1]! }, pair[0]!, [], null);
  }

  /** That of a mount whose daemon has died. @param pid of the process that has started this one */
  static adopt(config: KeepConfig, starts: number[], pid: number): Keeper {
    const read = open(`/proc/self/fd/${config.guard}`, O_CLOEXEC, 0);
    if (read < 0) throw none();
    return new Keeper(config, read, starts, identify(pid));
  }

  /**
   * There must be none.
   *
   * @param descriptors those of the mount, to be found from `first` on
   * @param lost Called if the keeper ends by itself.
   * @returns Its process ID.
   * @throws SluiceError if there can be none
   */
  start(
    mountpoint: string,
    descriptors: readonly number[],
    kept: Omit<Kept, 'version' | 'starts' | 'daemon'>,
    lost: () => void,
    program = join(import.meta.dirname, '../server/main.js'),
  ): number {
    const file = memfdCreate('sluice-kept', MFD_CLOEXEC);
    if (file < 0) throw none();
    const daemon = identify(process.pid)!;
    const about = { version: STATE_VERSION, starts: this.#starts, daemon };
    new SnapshotFile(file).write({ ...kept, ...about } satisfies Kept);
    const words = ['-c', SCRIPT, 'sluice-keeper', mountpoint, process.execPath, program];
    const child = spawn('/bin/sh', words, {
      cwd: '/',
      detached: true,
      stdio: [
        ...[this.#read, 'inherit' as const, 'inherit' as const, 'ignore' as const],
        ...[file, this.config.state, ...descriptors],
      ],
      env: { ...process.env, ...PLAIN_NODE },
    });
    close(file);
    // `exit` does not come after a failed start.
    child.once('error', () => {});
    if (child.pid === undefined) throw none();
    const own = identify(child.pid);
    this.#process = own;
    this.#isStopping = false;
    child.once('exit', () => {
      // It may be told late: when another one is there.
      if (this.#process === own && !this.#isStopping) lost();
    });
    child.unref();
    return child.pid;
  }

  /** This process serves a mount that it has from its keeper. */
  serves(): void {
    writeSync(this.config.guard, 'serves\n');
  }

  get isThere(): boolean {
    return this.#process !== null && isRunning(this.#process);
  }

  /** Nobody keeps the mount when this resolves. */
  async stop(): Promise<void> {
    const keeper = this.#process;
    if (keeper === null) return;
    this.#isStopping = true;
    if (isRunning(keeper)) process.kill(keeper.pid, 'SIGKILL');
    await waitForEnd(keeper, END_LIMIT_MS);
    this.#process = null;
  }
}

function none(): SluiceError {
  return new SluiceError('there can be no keeper: out of descriptors', 'EMFILE', EXIT_FAILED);
}
