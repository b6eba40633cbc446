import { readText } from '../sys/files.js';
import * as proc from '../sys/proc.js';
import { commandLine } from '../sys/processes.js';
import { type CallerFigures, WRITE_BACK } from '../throttle/callers.js';
import { oneLine } from '../util/one-line.js';

/** What /proc says about processes. */
export interface ProcFacts {
  /** 0 if the thread is gone. */
  processOf(thread: number): number;
  /** Clock ticks since boot, as text; '' if it is gone. */
  startOf(thread: number): string;
  cgroupsOf(thread: number): string[];
  /** Null if it is gone or may not be read; empty for a kernel thread. */
  commandLine(process: number): string[] | null;
  /** The name of a thread; '' if it is gone. */
  nameOf(thread: number): string;
  /** Seconds since boot. */
  uptime(): number;
}

const PROC: ProcFacts = {
  ...proc,
  commandLine,
  nameOf: (thread) => readText(`/proc/${thread}/comm`)?.trimEnd() ?? '',
  uptime: () => Number(readText('/proc/uptime')?.split(' ')[0] ?? 0),
};

/** Of /proc/PID/stat; Linux has 100 for every architecture that runs Node.js. */
const TICKS_PER_SECOND = 100;
/** A start is known to a tick, and the two clocks are read one after the other. */
const SLACK_SECONDS = 0.1;

/** Processes that are shown. */
export const CALLERS_SHOWN = 50;
/** A command line may have 2 MB. */
const COMMAND_CHARACTERS = 4096;

type Sums = Omit<CallerFigures, 'thread' | 'uid' | 'recent'>;

/** A process with the requests of its threads. */
export interface Caller extends Sums {
  /** 0: no process; `command` says what then. */
  pid: number;
  uid: number;
  /** Its part of the cost of all requests of late, 0 to 1. */
  recent: number;
  /** Threads that are followed. */
  threads: number;
  /** The words of its command line, with spaces between; in brackets a name of another kind. */
  command: string;
  /** '' if it is not known. */
  cgroup: string;
}

type Name = Pick<Caller, 'pid' | 'command' | 'cgroup'>;

/** Callers without a process. */
const NOBODY: Readonly<Record<number, string>> = {
  0: '[not visible from here]',
  [WRITE_BACK]: '[page cache]',
};
const ENDED = '[ended]';
const HIDDEN = '[in another pid namespace]';

/**
 * Finds the processes of threads, in /proc. What it has found is kept while the thread is followed: a process
 * that has ended since has its name on.
 */
export class CallerNames {
  readonly #facts: ProcFacts;
  #known = new Map<number, Name>();

  constructor(facts = PROC) {
    this.#facts = facts;
  }

  /**
   * The processes behind threads, at most 50 of them, who does most of late first.
   * @param areVisible The numbers of threads mean the same here as to the daemon.
   */
  name(threads: readonly CallerFigures[], areVisible = true): Caller[] {
    const uptime = this.#facts.uptime();
    const known = new Map<number, Name>();
    const callers = new Map<number, Caller>();
    for (const figures of threads) {
      const name = areVisible ? this.#nameOf(figures, uptime) : nobody(figures.thread, HIDDEN);
      known.set(figures.thread, name);
      const key = figures.thread === WRITE_BACK ? WRITE_BACK : name.pid;
      const caller = callers.get(key);
      if (caller === undefined) callers.set(key, newCaller(name, figures));
      else addTo(caller, figures);
    }
    this.#known = known;
    const all = [...callers.values()].sort((one, other) => other.recent - one.recent);
    return all.slice(0, CALLERS_SHOWN);
  }

  #nameOf({ thread, followedNs }: CallerFigures, uptime: number): Name {
    if (Object.hasOwn(NOBODY, thread)) return nobody(0, NOBODY[thread]!);
    const start = this.#facts.startOf(thread);
    const age = start === '' ? -1 : uptime - Number(start) / TICKS_PER_SECOND;
    const isOther = age + SLACK_SECONDS < followedNs / 1e9;
    // Its number is free, or another thread has it now.
    if (isOther) return this.#known.get(thread) ?? nobody(thread, ENDED);
    const pid = this.#facts.processOf(thread);
    if (pid === 0) return this.#known.get(thread) ?? nobody(thread, ENDED);
    const words = this.#facts.commandLine(pid) ?? [];
    const line = words.join(' ').trim().slice(0, COMMAND_CHARACTERS);
    // As ps has it: kernel threads have no command line.
    const command = line === '' ? `[${this.#facts.nameOf(pid)}]` : line;
    const cgroup = this.#facts.cgroupsOf(pid).at(-1) ?? '';
    return { pid, command: oneLine(command), cgroup: oneLine(cgroup) };
  }
}

const nobody = (pid: number, command: string): Name => ({ pid, command, cgroup: '' });

function newCaller(name: Name, { thread: _, ...figures }: CallerFigures): Caller {
  return { ...name, threads: 1, ...figures };
}

function addTo(caller: Caller, figures: CallerFigures): void {
  const { longestNs, followedNs } = caller;
  for (const key of SUMS) caller[key] += figures[key];
  caller.threads++;
  caller.longestNs = Math.max(longestNs, figures.longestNs);
  caller.followedNs = Math.max(followedNs, figures.followedNs);
}

const SUMS = [
  ...(['recent', 'rios', 'wios', 'dios', 'rbytes', 'wbytes', 'dbytes'] as const),
  ...(['waitNs', 'serviceNs'] as const),
] as const;
