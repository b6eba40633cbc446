import { type Profiler, Session } from 'node:inspector';

/** The program, as it was compiled. */
const PROGRAM = /\/build\/src\//;

/** What is known of a script: for each character of its code 1 or 0. */
interface Script {
  reached: Uint8Array;
  /** A block begins here. */
  edges: Uint8Array;
}

/** Characters of a script that have run since the last look. */
export interface Ran {
  name: string;
  reached: Uint8Array;
}

/** The blocks of code that this thread has reached, as V8 counts them in functions compiled since. */
export class Coverage {
  readonly #session = new Session();
  readonly #scripts = new Map<string, Script>();

  readonly #counted: RegExp;

  /** @param counted Scripts whose code counts, by their address. */
  constructor(counted = PROGRAM) {
    this.#counted = counted;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    // Without counts V8 would tell of each function only once.
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Stops counting. */
  end(): void {
    this.#session.disconnect();
  }

  /** The scripts with code that has run since the last call and never before. */
  look(): Ran[] {
    return this.#taken().filter(({ name, reached }) => {
      const known = this.#scripts.get(name)!.reached;
      return reached.some((value, at) => value > known[at]!);
    });
  }

  /** From now on this code is no news. */
  add(ran: readonly Ran[]): void {
    for (const { name, reached } of ran) {
      const known = this.#scripts.get(name)!.reached;
      for (let at = 0; at < reached.length; at++) if (reached[at] === 1) known[at] = 1;
    }
  }

  /** All that is known, for a thread that goes on with it. Plain data. */
  get known(): ReadonlyMap<string, Script> {
    return this.#scripts;
  }

  /** Code that another thread has reached is no news either. @param known Its `known`. */
  goOnWith(known: ReadonlyMap<string, Script>): void {
    for (const [name, script] of known) this.#scripts.set(name, script);
  }

  /** Blocks that were reached. A block is code between two places where V8 counts anew. */
  get blocks(): number {
    let count = 0;
    for (const { reached, edges } of this.#scripts.values()) {
      for (let at = 0; at < reached.length; at++) {
        if (reached[at] === 1 && (edges[at] === 1 || at === 0 || reached[at - 1] === 0)) count++;
      }
    }
    return count;
  }

  /** Characters of code that were reached. */
  get characters(): number {
    let count = 0;
    for (const { reached } of this.#scripts.values()) for (const value of reached) count += value;
    return count;
  }

  #taken(): Ran[] {
    const ran: Ran[] = [];
    // The session is one of this thread: it answers before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      for (const { url, functions } of result) {
        if (this.#counted.test(url)) ran.push(this.#paint(url, functions));
      }
    });
    return ran;
  }

  /** Inner functions and ranges come after those around them, and overrule them. */
  #paint(name: string, functions: readonly Profiler.FunctionCoverage[]): Ran {
    const end = Math.max(...functions.map(({ ranges }) => ranges[0]!.endOffset));
    const script = this.#script(name, end);
    const reached = new Uint8Array(script.reached.length);
    for (const { ranges } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        reached.fill(count > 0 ? 1 : 0, startOffset, endOffset);
        script.edges[startOffset] = 1;
        script.edges[endOffset] = 1;
      }
    }
    return { name, reached };
  }

  #script(name: string, end: number): Script {
    const known = this.#scripts.get(name);
    if (known !== undefined && known.reached.length > end) return known;
    const script = { reached: new Uint8Array(end + 1), edges: new Uint8Array(end + 1) };
    script.reached.set(known?.reached ?? []);
    script.edges.set(known?.edges ?? []);
    this.#scripts.set(name, script);
    return script;
  }
}
