import { namesIn, readText } from './files.js';

/** Numbers of all processes in /proc. */
export function allPids(): number[] {
  return namesIn('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

/** Command line of a process; null if it is gone or may not be read. */
export function commandLine(pid: number): string[] | null {
  const text = readText(`/proc/${pid}/cmdline`);
  // One that was changed is shorter than its place.
  return text === null ? null : text.replace(/\0+$/, '\0').split('\0').slice(0, -1);
}

/** Base name of a process's program, for people. */
export function processName(pid: number): string {
  return commandLine(pid)?.[0]?.split('/').at(-1) || 'a process';
}
