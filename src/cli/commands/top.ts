import { setTimeout as delay } from 'node:timers/promises';
import { SECOND_MS } from '../../control/usage.js';
import { CallerFollower, LiveFollower } from '../../server/live-status.js';
import { unavailable } from '../../server/status.js';
import { EXIT_USAGE, SluiceError } from '../../util/errors.js';
import type { Arguments, Declaration } from '../declaration.js';
import { findMountpoint } from '../find-mountpoint.js';
import { print } from '../terminal.js';
import { CallerRates } from '../top/callers.js';
import { nextMinute } from '../top/minute.js';
import { plainTable, topJson } from '../top/plain.js';
import { type Sight, sightOf } from '../top/rows.js';
import { FIRST_STATE, type View } from '../top/state.js';
import { workingDirectory } from '../working-directory.js';

export const declaration: Declaration = {
  usage:
    'sluice top MOUNTPOINT [--once] [--batch N] [--json]\n\nWatch the groups of a mount, and change them.',
  operands: { mountpoint: 'where sluice is mounted' },
  options: {
    once: { type: 'boolean', describe: 'print a table and end' },
    batch: { type: 'string', describe: 'N: print so many tables, one a second, and end' },
    json: { type: 'boolean', describe: 'print JSON, one object in each line' },
  },
  examples: [
    ['sluice top /mnt/s', 'live; ? shows the keys'],
    ['sluice top /mnt/s --once', 'a table without bars'],
    ['sluice top /mnt/s --json --batch 60', 'a minute, for programs'],
  ],
};

const MOST_TABLES = 1e9;

/** How many tables are asked for; null: the live view. Throws EINVAL, exit code 2. */
export function tablesOf({ once, batch, json }: Arguments, isTerminal: boolean): number | null {
  const refuse = (what: string): SluiceError => new SluiceError(what, 'EINVAL', EXIT_USAGE);
  if (once === true && batch !== undefined) throw refuse('--once and --batch do not go together');
  if (once === true) return 1;
  if (batch !== undefined) {
    const count = /^[0-9]{1,9}$/.test(String(batch)) ? Number(batch) : 0;
    if (count > 0) return count;
    throw refuse(`--batch ${batch}: expected a number from 1 to ${MOST_TABLES - 1}`);
  }
  if (json === true) return Infinity;
  if (isTerminal) return null;
  throw refuse('there is no terminal to draw on; --once, --batch N or --json print lines');
}

/** Sights of a mount, one for each call. */
export class Sights {
  readonly #mountpoint: string;
  readonly #follower: LiveFollower;
  readonly #callers: CallerFollower;
  readonly #rates = new CallerRates();
  #minute: Sight['minute'] = new Map();

  constructor(mountpoint: string) {
    this.#mountpoint = mountpoint;
    this.#follower = new LiveFollower(mountpoint);
    this.#callers = new CallerFollower(mountpoint);
  }

  /** Throws if the mount does not answer, or is gone. */
  async next(view: View = 'groups'): Promise<Sight> {
    const status = await this.#follower.next(view === 'images');
    const callers = view === 'callers' ? await this.#callerRows() : null;
    const mountpoint = this.#mountpoint;
    if (status.kind !== 'alive') {
      findMountpoint(mountpoint, workingDirectory());
      throw unavailable(mountpoint, status.kind);
    }
    const { groups, images, daemon } = status;
    this.#minute = nextMinute(this.#minute, groups);
    const { version = '', transport = '' } = daemon.fields;
    const clock = new Date().toTimeString().slice(0, 8);
    const about = { mountpoint, version, transport, clock, minute: this.#minute, callers };
    return sightOf(about, groups, images);
  }

  async #callerRows(): Promise<Sight['callers']> {
    try {
      const status = await this.#callers.next();
      if (status.kind !== 'alive') throw unavailable(this.#mountpoint, status.kind);
      return this.#rates.next(status.callers, performance.now());
    } catch (error) {
      if (error instanceof SluiceError && error.errno === 'EOPNOTSUPP') return error.message;
      throw error;
    }
  }

  end(): void {
    this.#follower.end();
  }
}

async function printTables(sights: Sights, count: number, isJson: boolean): Promise<void> {
  let next = performance.now();
  for (let table = 1; ; table += 1) {
    const sight = await sights.next();
    if (isJson) print(`${JSON.stringify(topJson(sight, FIRST_STATE, new Date().toISOString()))}\n`);
    else print(`${table > 1 ? '\n' : ''}${plainTable(sight, FIRST_STATE)}`);
    if (table >= count) return;
    next += SECOND_MS;
    await delay(Math.max(0, next - performance.now()));
  }
}

export async function handler(args: Arguments): Promise<void> {
  const isTerminal = process.stdout.isTTY === true && process.stdin.isTTY === true;
  const count = tablesOf(args, isTerminal);
  const mountpoint = findMountpoint(String(args.mountpoint), workingDirectory());
  const sights = new Sights(mountpoint);
  if (count !== 1) (await import('../plain-code.js')).keepPlainCode();
  try {
    if (count !== null) await printTables(sights, count, args.json === true);
    else {
      const { watch } = await import('../top/watch.js');
      await watch(mountpoint, (view) => sights.next(view));
    }
  } finally {
    sights.end();
  }
}
