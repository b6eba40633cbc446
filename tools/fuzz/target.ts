import type { Random } from '../exerciser/random.js';

/** A part of Sluice that takes bytes from outside. */
export interface Target {
  readonly name: string;
  readonly about: string;
  /** Inputs that are run before the coverage is looked at. A larger number costs less for each input. */
  readonly batch: number;
  /** Inputs that one process runs: memory that an image has mapped is never unmapped. */
  readonly each: number;
  /** Inputs of the short form, which takes about 4 s of a processor. */
  readonly short: number;
  /** Longest input, bytes. */
  readonly longest: number;
  /** Places in the input matter: what is not cut off keeps its place. */
  readonly fixed: boolean;
  /** Well-formed inputs to begin with, made in a folder. */
  seeds(folder: string): Buffer[];
  /** Numbers and keywords that the code compares with, from its own tables. */
  words(): Promise<Buffer[]>;
  /** A mutation that knows the form of the input. */
  mutate?(input: Buffer, random: Random): Buffer;
  /** A function that takes one input, the same way each time. It throws an error for a find alone. */
  prepare(folder: string): (input: Buffer) => void | Promise<void>;
}

/** A sentence about what must not happen. */
export class Violation extends Error {}
