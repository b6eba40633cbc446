import { cpus, release, totalmem } from 'node:os';
import { run } from './process.js';

/** The origin of figures: the machine and the versions of the measured programs. */
export interface Machine {
  date: string;
  kernel: string;
  cpu: string;
  cpus: number;
  memoryMib: number;
  versions: Record<string, string>;
}

async function versionOf(program: string): Promise<string | null> {
  const text = await run(program, ['--version']).catch(() => null);
  return text?.match(/\d+(\.\d+)+/)?.[0] ?? null;
}

/** Describes this machine; programs that are not installed are left out. */
export async function describeMachine(programs: readonly string[]): Promise<Machine> {
  const versions: Record<string, string> = { node: process.version };
  for (const program of programs) {
    const version = await versionOf(program);
    if (version !== null) versions[program] = version;
  }
  return {
    date: new Date().toISOString(),
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryMib: Math.round(totalmem() / (1 << 20)),
    versions,
  };
}

/** One line for the head of a report. */
export function machineLine(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const hardware = `${machine.cpus} x ${machine.cpu}, ${machine.memoryMib} MiB`;
  return `${machine.date.slice(0, 10)}, Linux ${machine.kernel}, ${hardware}; ${versions.join(', ')}.`;
}
