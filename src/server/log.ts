import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { F_DUPFD_CLOEXEC, STDERR, STDOUT } from '../sys/constants.js';
import { dup2, fcntl } from '../sys/libc.js';
import { oneLine } from '../util/one-line.js';
import type { MountConfig } from './config.js';

/** The log of a daemon. A call never throws: a full disk must not end a mount. */
export interface Log {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  /** Tells the user who waits for the mount about the progress of a long step. */
  progress?(text: string): void;
  /** Opens the log file again: it may have been moved away. */
  reopen?(): void;
}

/** At this size a log is renamed to FILE.1, once: two files, 32 MiB, are the most a log takes. */
const LOG_LIMIT = 16 * 1024 * 1024;
/** Look at the file again after this much of our own: other daemons may write to the same log. */
const CHECK_EVERY = 64 * 1024;

/** One line of the log: `2026-11-20T10:00:00.000Z sluice[4242] /mnt/s: text`. */
export function logLine(time: Date, pid: number, mountpoint: string, text: string): string {
  // One event is one line, whatever a path or a message contains.
  const flat = oneLine(`${mountpoint}: ${text}`);
  return `${time.toISOString()} sluice[${pid}] ${flat}\n`;
}

/**
 * Where a background daemon logs if `--log` does not say.
 *
 * @param stateHome $XDG_STATE_HOME; an empty one counts as missing, as the XDG specification says.
 */
export function defaultLogFile(uid: number, stateHome: string | undefined, home: string): string {
  if (uid === 0) return '/var/log/sluice.log';
  const state = stateHome?.startsWith('/') ? stateHome : join(home, '.local', 'state');
  return join(state, 'sluice', 'sluice.log');
}

/**
 * The log of this mount: FILE of `--log`, or the default place, whose folder is made.
 *
 * @throws the error of mkdir
 */
export function findLogFile(asked: string | null): string {
  if (asked !== null) return asked;
  const path = ownLogFile();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return path;
}

function ownLogFile(): string {
  return defaultLogFile(process.getuid!(), process.env.XDG_STATE_HOME, homedir());
}

/** Opens a log for appending. Only its owner may read it: it names files. */
export function openLogFile(path: string): number {
  return openSync(path, 'a', 0o600);
}

/** A file that is appended to and kept bounded. Several processes may share it. */
class BoundedFile {
  readonly #path: string;
  #fd: number;
  #unchecked = CHECK_EVERY;
  /** What is written goes to a file that is not, or no more, at the path. */
  #isLost = false;

  constructor(path: string, fd = openLogFile(path)) {
    this.#path = path;
    this.#fd = fd;
  }

  /**
   * The log of a daemon whose place this one takes: the file at the path; where that cannot be opened the one that stdout is,
   * until it can. stdout and stderr follow. Does not throw.
   */
  static goOn(path: string): BoundedFile {
    try {
      const file = new BoundedFile(path);
      for (const standard of [STDOUT, STDERR]) dup2(file.#fd, standard);
      return file;
    } catch {
      const file = new BoundedFile(path, fcntl(STDOUT, F_DUPFD_CLOEXEC, 0));
      file.#isLost = true;
      return file;
    }
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Looks for the file at the path if it was lost. True if it is there now. */
  comesBack(): boolean {
    if (!this.#isLost) return false;
    this.reopen();
    return !this.#isLost;
  }

  append(line: string): void {
    try {
      this.#unchecked += line.length;
      if (this.#unchecked >= CHECK_EVERY) this.#check();
      writeSync(this.#fd, line);
    } catch {
      // There is no better place to say it.
    }
  }

  /** Goes on in the file that is at the path now. stdout and stderr follow if they are this file. */
  reopen(): void {
    try {
      const { dev, ino } = fstatSync(this.#fd);
      const fd = openLogFile(this.#path);
      for (const standard of [STDOUT, STDERR]) {
        const stats = fstatSync(standard);
        if (stats.dev === dev && stats.ino === ino) dup2(fd, standard);
      }
      closeSync(this.#fd);
      this.#fd = fd;
      this.#isLost = false;
    } catch {
      // The old file is better than none.
    }
  }

  /** Renames a full file, then opens the file at the path. Another daemon may have made it. */
  #check(): void {
    this.#unchecked = 0;
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    if (size >= LOG_LIMIT) renameSync(this.#path, `${this.#path}.1`);
    this.reopen();
  }
}

function makeLog(mountpoint: string, append: (line: string) => void): Log {
  const write = (text: string): void => {
    append(logLine(new Date(), process.pid, mountpoint, text));
  };
  return {
    info: write,
    warn: (text) => write(`warning: ${text}`),
    error: (text) => write(`error: ${text}`),
  };
}

/** A log in a file. @throws the error of opening the file */
export function fileLog(path: string, mountpoint: string): Log {
  const file = new BoundedFile(path);
  const log = makeLog(mountpoint, (line) => file.append(line));
  return { ...log, reopen: () => file.reopen() };
}

/** The log that a mount is to have. @throws the error of opening a file */
export function logOf({
  foreground,
  logFile,
  mountpoint,
}: Pick<MountConfig, 'foreground' | 'logFile' | 'mountpoint'>): Log {
  if (foreground && logFile === null) return stderrLog(mountpoint);
  return fileLog(findLogFile(logFile), mountpoint);
}

/** The log of a mount whose daemon was another one before. Does not throw: a mount goes on without its log, too. */
export function logAgain(config: Pick<MountConfig, 'foreground' | 'logFile' | 'mountpoint'>): Log {
  const { foreground, logFile, mountpoint } = config;
  if (foreground && logFile === null) return stderrLog(mountpoint);
  const path = logFile ?? ownLogFile();
  const file = BoundedFile.goOn(path);
  const log = makeLog(mountpoint, (line) => {
    const what = `warning: ${path} could not be opened for a while: what was logged is in the file of before, or lost`;
    if (file.comesBack()) file.append(logLine(new Date(), process.pid, mountpoint, what));
    file.append(line);
  });
  if (file.isLost) log.warn(`${path} cannot be opened; goes on in the file of before until it can`);
  return { ...log, reopen: () => file.reopen() };
}

/** A log on stderr, for a daemon in the foreground. */
function stderrLog(mountpoint: string): Log {
  // A closed stderr ends nothing: the mount goes on.
  process.stderr.on('error', () => {});
  return makeLog(mountpoint, (line) => {
    process.stderr.write(line);
  });
}
