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
import { identify, isRunning, KEEPER_NAME, type ProcessId, waitForEnd } from './processes.js';
import { type Handed, STATE_VERSION } from './successor.js';

/** Descriptors of a daemon that a keeper has started: the guard, `Kept`, and a KeptState. */
export const GUARD = 3;
export const KEPT = 4;
export const KEPT_STATE = 5;

/** Most deaths in a minute of daemons that served. */
export const DEATHS_MAX = 5;
export const DEATHS_MS = 60_000;

/**
 * Seconds before each start after one that came to nothing; the first one is at once. All together they outlast an update of
 * the program that is installed.
 */
const PAUSES = [0.2, 0.5, 1, 2, 3, 4];
/** Starts that come to nothing, and then the keeper gives up. */
export const FAILED_STARTS = PAUSES.length + 1;

/** A keeper that is no child of this process is looked for so often. */
const LOOK_MS = 1000;

/** A process that was killed has ended by then, or the machine has other troubles. */
const END_LIMIT_MS = 10_000;

/**
 * A keeper holds descriptors and reads from a pipe, the guard. Its end comes when all writers have closed it: the daemon and
 * the last request of its ring are gone. Then it opens the guard for the next daemon, starts that, and waits again. A line
 * tells that a daemon serves: only starts that come to nothing are counted here. The daemon is no child of it: `read` must not
 * be interrupted by the end of one. When the keeper gives up, the mount is dead: nobody has its descriptors.
 *
 * Its arguments are the mount point, Node.js, the daemon's program, the log, and the pauses. Whoever looks for the daemon of a
 * mount looks for a process whose last two arguments are the program and the mount point, and must not find the keeper.
 *
 * A daemon that dies of SIGTERM or SIGINT was to end the mount, and had not loaded its program yet: the next one ends it. Its
 * parent tells so, a copy of the shell, which a daemon that is so far ends.
 *
 * A daemon has its standard error when it has loaded its program (resume.ts): why it could not, the keeper says in a line.
 */
const SCRIPT = `mount=$1 node=$2 program=$3 log=$4 pauses=$5 end=
say() {
  line="$(date -u +%Y-%m-%dT%H:%M:%S.000Z) sluice[$$] $mount: $1"
  echo "$line" 2>/dev/null >>"$log" || echo "$line" >&2
}
set -- 0 $pauses
while :; do
  if read -r line; then
    [ "$line" = end ] && end=' end' || set -- 0 $pauses
    continue
  fi
  [ $# -gt 0 ] || break
  if [ "$1" != 0 ]; then
    why="$program, which was started for it, did not come to serve"
    for file in "$node" "$program"; do [ -r "$file" ] || why="$file is not there"; done
    say "warning: $why; trying again in $1 s"
    sleep "$1"
  fi
  shift
  exec ${GUARD}>/proc/self/fd/0
  ((${KEEPER}="$$$end" "$node" "$program" "$mount" </dev/null 2>/dev/null &
    wait $!; case $? in 130|143) echo end >&${GUARD};; esac) 2>/dev/null &)
  exec ${GUARD}>&-
done
say "error: no daemon could go on; the mount is dead: sluice umount $mount removes it"`;

/** What a keeper has for the next daemon. Plain data; descriptors have the numbers of that one. */
export interface Kept extends Omit<Handed, 'state' | 'groups' | 'assignments' | 'depth'> {
  version: number;
  /** When daemons that served have died of late, milliseconds since boot. */
  deaths: number[];
  /** The daemon that has the mount. */
  daemon: ProcessId;
  /** That one has come to serve it. */
  serves: boolean;
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
  /** What there is for the next daemon, as a daemon that was started by a keeper has found it. */
  readonly #kept: { file: SnapshotFile; content: Kept } | null;
  #process: ProcessId | null;
  /** The end of the process is our wish. */
  #isStopping = false;

  /** @param process The keeper that there is already, and `kept` what it has. */
  constructor(
    config: KeepConfig,
    read: number,
    kept: { file: SnapshotFile; content: Kept } | null,
    process: ProcessId | null,
  ) {
    this.config = config;
    this.#read = read;
    this.#kept = kept;
    this.#process = process;
  }

  /** @throws SluiceError EMFILE and others of a process that may have nothing more */
  static make(): Keeper {
    const pair = new Int32Array(2);
    const state = memfdCreate('sluice-state', MFD_CLOEXEC);
    if (state < 0 || pipe2(pair, O_CLOEXEC) < 0) throw none();
    return new Keeper({ state, guard: pair[1]! }, pair[0]!, null, null);
  }

  /** That of a mount whose daemon has died. @param pid of the process that has started this one */
  static adopt(config: KeepConfig, file: SnapshotFile, content: Kept, pid: number): Keeper {
    const read = open(`/proc/self/fd/${config.guard}`, O_CLOEXEC, 0);
    if (read < 0) throw none();
    return new Keeper(config, read, { file, content }, identify(pid));
  }

  /**
   * There must be none.
   *
   * @param descriptors those of the mount, to be found from `first` on
   * @param log The file in which it says why no daemon comes.
   * @param lost Called if the keeper ends by itself.
   * @returns Its process ID.
   * @throws SluiceError if there can be none
   */
  start(
    mountpoint: string,
    descriptors: readonly number[],
    kept: Omit<Kept, 'version' | 'deaths' | 'daemon' | 'serves'>,
    log: string,
    lost: () => void,
    program = join(import.meta.dirname, '../server/main.js'),
    pauses: readonly number[] = PAUSES,
  ): number {
    const file = memfdCreate('sluice-kept', MFD_CLOEXEC);
    if (file < 0) throw none();
    const deaths = this.#kept?.content.deaths ?? [];
    const now = { version: STATE_VERSION, deaths, daemon: identify(process.pid)!, serves: true };
    new SnapshotFile(file).write({ ...kept, ...now } satisfies Kept);
    const about = [mountpoint, process.execPath, program, log, pauses.join(' ')];
    const words = ['-c', SCRIPT, KEEPER_NAME, ...about];
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

  /** This process serves a mount from now on that it has from its keeper. */
  serves(): void {
    const { file, content } = this.#kept!;
    file.write({ ...content, serves: true } satisfies Kept);
    writeSync(this.config.guard, 'serves\n');
  }

  /** Has `lost` called if a keeper ends by itself that another process has started. */
  watch(lost: () => void): void {
    const own = this.#process;
    const timer = setInterval(() => {
      if (own !== null && own === this.#process && isRunning(own)) return;
      clearInterval(timer);
      if (own === this.#process && !this.#isStopping) lost();
    }, LOOK_MS);
    timer.unref();
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
