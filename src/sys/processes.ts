import { readdirSync, readFileSync } from 'node:fs';

/** Numbers of all processes in /proc. */
export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

/** A file of /proc/PID; null if the process is gone or may not be read. */
export function readProcess(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
}

/** Command line of a process; null if it is gone or may not be read. */
export function commandLine(pid: number): string[] | null {
  return readProcess(pid, 'cmdline')?.split('\0').slice(0, -1) ?? null;
}
