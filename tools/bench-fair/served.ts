import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { costModel } from '../../src/throttle/cost.js';
import type { SluiceMount } from '../lib/sluice.js';
import type { Party } from './cases.js';

const COST = costModel('linear');

/** What parties got between two samples. */
export interface Got {
  /** By party, in units of the linear cost model. */
  cost: number[];
  requests: number;
  seconds: number;
}

/** Requests and bytes of the parties' groups at one moment. */
export class Sample {
  readonly atMs = performance.now();
  readonly #counts: readonly Count[];

  constructor(counts: readonly Count[]) {
    this.#counts = counts;
  }

  /** Requests so far, by party. */
  get requests(): number[] {
    return this.#counts.map(({ requests }) => requests);
  }

  since(before: Sample): Got {
    const difference = (at: number, key: keyof Count): number =>
      this.#counts[at]![key] - before.#counts[at]![key];
    const cost = this.#counts.map((_, at) => {
      return COST.base * difference(at, 'requests') + COST.perByte * difference(at, 'bytes');
    });
    const requests = this.#counts.reduce((sum, _, at) => sum + difference(at, 'requests'), 0);
    return { cost, requests, seconds: (this.atMs - before.atMs) / 1000 };
  }
}

interface Count {
  requests: number;
  bytes: number;
}

/** Requests and bytes in the line `total` of an `io.stat`. */
export function countOf(stat: string): Count {
  const line = /^total .*$/m.exec(stat)?.[0];
  if (line === undefined) throw new Error('io.stat has no line `total`');
  const value = (key: string): number => Number(new RegExp(`\\b${key}=(\\d+)`).exec(line)?.[1]);
  return { requests: value('rios') + value('wios'), bytes: value('rbytes') + value('wbytes') };
}

/** Reads what the groups of some parties have got. */
export class Served {
  readonly #files: readonly string[];

  constructor(mount: SluiceMount, parties: readonly Party[]) {
    this.#files = parties.map(({ group }) => join(mount.mountpoint, '.groups', group, 'io.stat'));
  }

  async sample(): Promise<Sample> {
    const texts = await Promise.all(this.#files.map((file) => readFile(file, 'utf8')));
    return new Sample(texts.map(countOf));
  }
}
