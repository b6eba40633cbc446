import { cp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run, start, stop } from '../lib/process.js';
import { changed, type Mutation } from './mutation.js';

/** All that is copied: the sources, and what the compiler and Node.js need. */
const COPIED = ['src', 'tools', 'package.json', 'tsconfig.json'];
const ENTRIES = ['tools/vopr.ts', 'tools/vopr/worker.ts'];
const COMPILE_MS = 300_000;
const LOOK_MS = 1000;
/** Clock ticks of a second in /proc, as on every Linux that Node.js runs on. */
const TICKS = 100;

/** How runs of the simulator with a mutation went. */
export interface Hunt {
  /** `seed N: what it does wrong`; null: no run has found anything. */
  found: string | null;
  /** Processor time of all runs, seconds. */
  seconds: number;
}

/** How runs are made. */
export interface HuntOptions {
  seed: number;
  jobs: number;
  /** Processor time of all jobs together, seconds. */
  seconds: number;
}

/** A copy of the sources that can be mutated, compiled and run. */
export class Bench {
  readonly #folder: string;
  readonly #images: string;

  /**
   * @param folder Empty; for the copy.
   * @param images Empty; for the images that runs begin with, which the first simulator makes for all.
   */
  constructor(folder: string, images: string) {
    this.#folder = folder;
    this.#images = images;
  }

  /** Copies the sources of the working directory. */
  async prepare(): Promise<void> {
    for (const name of COPIED) await cp(name, join(this.#folder, name), { recursive: true });
    await symlink(resolve('node_modules'), join(this.#folder, 'node_modules'));
    // A mutation may leave something unused. All else about types must be right.
    const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false };
    const config = { extends: './tsconfig.json', compilerOptions, include: [], files: ENTRIES };
    await writeFile(join(this.#folder, 'mutants.json'), JSON.stringify(config));
  }

  /** Runs the simulator with a mutation until the first failure. A sentence: it cannot be compiled. */
  async hunt(mutation: Mutation, options: HuntOptions): Promise<Hunt | string> {
    const originals = new Map<string, string>();
    try {
      for (const change of mutation.changes) {
        const path = join(this.#folder, 'src', change.file);
        const text = await readFile(path, 'utf8');
        if (!originals.has(path)) originals.set(path, text);
        await writeFile(path, changed(text, mutation, change));
      }
      const refusal = await this.#compile(mutation);
      if (refusal !== null) return refusal;
      return await this.#run(options, mutation.words ?? []);
    } finally {
      for (const [path, text] of originals) await writeFile(path, text);
    }
  }

  async #compile({ name }: Mutation): Promise<string | null> {
    const words = ['node_modules/typescript/bin/tsc', '-p', join(this.#folder, 'mutants.json')];
    return run(process.execPath, words, COMPILE_MS).then(
      () => null,
      (error) => `${name}: it cannot be compiled: ${error.message}`,
    );
  }

  async #run(options: HuntOptions, more: readonly string[]): Promise<Hunt> {
    const { seed, jobs, seconds } = options;
    const tool = join(this.#folder, 'build/tools/vopr.js');
    const words = [tool, '--seed', seed, '--runs', 1e9, '--jobs', jobs, '--no-coverage', ...more];
    words.push('--images', this.#images);
    const vopr = await start(process.execPath, words.map(String), this.#folder);
    try {
      // The images are made before the first line is printed.
      let before = 0;
      for (;;) {
        const used = await groupSeconds(vopr.pid);
        const isAlive = vopr.isAlive();
        const [first, ...others] = vopr.output().split('\n');
        const found = others.find((line) => /^seed \d+: /.test(line));
        if (!first?.startsWith('first seed')) before = used;
        if (found !== undefined) {
          return { found: found.replaceAll(`${this.#folder}/`, ''), seconds: used - before };
        }
        if (!isAlive) throw new Error(`the simulator has ended: ${vopr.output()}`);
        if (used - before > seconds) return { found: null, seconds: used - before };
        await delay(LOOK_MS);
      }
    } finally {
      await stop(vopr);
    }
  }
}

/** Processor time of a process group, with that of processes that it has waited for. */
async function groupSeconds(group: number): Promise<number> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  let ticks = 0;
  for (const id of processes) {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => null);
    if (stat === null) continue;
    // The name may hold spaces. Field 5 is the group; 14 to 17 are times, those of children last.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(fields[2]) !== group) continue;
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks / TICKS;
}
