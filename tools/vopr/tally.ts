import { Coverage, holes } from './coverage.js';
import type { Result } from './worker.js';

/** Counts the results of all processes. */
export class Tally {
  readonly #coverage = new Coverage();
  readonly #start = performance.now();
  readonly #faults: string[] = [];
  #runs = 0;
  #cpuMs = 0;
  #last = 0;

  get faults(): number {
    return this.#faults.length;
  }

  /** Takes a result in. A fault is told at once. */
  add({ seed, fault, coverage, cpuMs }: Result): void {
    this.#runs++;
    this.#cpuMs += cpuMs;
    this.#last = Math.max(this.#last, seed);
    this.#coverage.merge(coverage);
    if (fault === null) return;
    // Other lines of a message are the stack's, or what another program has said.
    const line = `seed ${seed}: ${fault.replaceAll(/\s*\n\s*/g, ' | ')}`;
    this.#faults.push(line);
    console.log(line);
  }

  /** One line: how far it is. */
  get progress(): string {
    return `${this.#sum}, up to seed ${this.#last}`;
  }

  /** What was reached, the seeds that have failed, and how many runs there were. */
  lines(withCoverage: boolean): string[] {
    const missing = withCoverage ? holes(this.#coverage) : [];
    const reached = withCoverage ? this.#coverage.lines() : [];
    return [
      ...reached,
      ...missing.map((hole) => `never reached: ${hole}`),
      ...this.#faults,
      this.#sum,
    ];
  }

  get #sum(): string {
    const seconds = (performance.now() - this.#start) / 1000;
    const rate = Math.round((60 * this.#runs) / seconds);
    const each = `${rate} a minute, ${Math.round(this.#cpuMs / this.#runs)} ms of processor time each`;
    return `${this.#runs} runs in ${Math.round(seconds)} s (${each}), ${this.faults} failed`;
  }
}
