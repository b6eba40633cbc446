import { Random } from '../exerciser/random.js';
import type { Coverage, Ran } from './coverage.js';
import { mutate } from './mutations.js';
import type { Target } from './target.js';

/** Bytes of inputs that are kept. When there are more, an input chosen at random is forgotten. */
const CORPUS_BYTES = 64 << 20;
/** Half of the inputs are made of those that were kept last. */
const LATEST = 16;

/** What a campaign begins with. */
export interface Start {
  target: Target;
  words: readonly Buffer[];
  seed: number;
  /** Number of the first input. */
  first: number;
  /** False: all inputs are made of the first corpus. */
  learns: boolean;
  corpus: readonly Buffer[];
}

/** Where a campaign stops, whichever comes first. */
export interface Bounds {
  /** Processor time of this process, seconds. */
  seconds: number;
  inputs: number;
}

/** Makes inputs of a target and runs them. What reaches new code is kept, to make further ones of it. */
export class Campaign {
  readonly corpus: Buffer[];
  /** Inputs that were run, but for the first corpus. */
  inputs = 0;
  /** Inputs that were kept. */
  kept = 0;

  readonly #start: Start;
  readonly #coverage: Coverage;
  readonly #run: (input: Buffer) => Promise<void>;
  #bytes: number;

  /** @param run Runs one input. */
  constructor(start: Start, coverage: Coverage, run: (input: Buffer) => Promise<void>) {
    this.#start = start;
    this.corpus = [...start.corpus];
    this.#bytes = start.corpus.reduce((sum, { length }) => sum + length, 0);
    this.#coverage = coverage;
    this.#run = run;
  }

  async go({ seconds, inputs }: Bounds): Promise<void> {
    const begun = process.cpuUsage();
    const used = (): number => {
      const { user, system } = process.cpuUsage(begun);
      return (user + system) / 1e6;
    };
    await this.#runAll(this.corpus);
    this.#coverage.add(this.#coverage.look());
    while (used() < seconds && this.inputs < inputs) {
      const count = Math.min(this.#start.target.batch, inputs - this.inputs);
      const first = this.#start.first + this.inputs;
      const batch = Array.from({ length: count }, (_, index) => this.#make(first + index));
      this.inputs += count;
      await this.#runAll(batch);
      if (!this.#start.learns) continue;
      const news = this.#coverage.look();
      if (news.length === 0) continue;
      await this.#keepNew(batch, news);
      // What did not come again, such as code that runs when a cache is full, is no reason to look again.
      this.#coverage.add(news);
    }
    this.#coverage.add(this.#coverage.look());
  }

  #make(index: number): Buffer {
    const { target, seed, words } = this.#start;
    const { corpus } = this;
    const random = new Random(seed, index);
    const any = (): Buffer => corpus[random.below(corpus.length)]!;
    const late = corpus[corpus.length - 1 - random.below(Math.min(LATEST, corpus.length))]!;
    const from = random.oneIn(2) ? late : any();
    return mutate(target, from, { words, other: any() }, random);
  }

  async #runAll(batch: readonly Buffer[]): Promise<void> {
    for (const input of batch) await this.#run(input);
  }

  /** Finds the inputs of a batch that reach new code, by halves, and keeps them. */
  async #keepNew(batch: readonly Buffer[], news: Ran[]): Promise<void> {
    if (batch.length === 1) {
      this.#coverage.add(news);
      this.#keep(batch[0]!);
      return;
    }
    const middle = batch.length >> 1;
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      await this.#runAll(half);
      const part = this.#coverage.look();
      if (part.length > 0) await this.#keepNew(half, part);
    }
  }

  #keep(input: Buffer): void {
    this.kept++;
    // A part of a larger buffer would keep all of it.
    this.corpus.push(Buffer.from(input));
    this.#bytes += input.length;
    const random = new Random(this.#start.seed, -this.kept);
    while (this.#bytes > CORPUS_BYTES && this.corpus.length > 1) {
      const [gone] = this.corpus.splice(random.below(this.corpus.length), 1);
      this.#bytes -= gone!.length;
    }
  }
}
