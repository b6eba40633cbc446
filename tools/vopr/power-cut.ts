import type { Random } from '../exerciser/random.js';
import type { Change, HostRecord } from './record.js';

const SECTOR = 512;

/**
 * The possible contents of a host file if the power fails at the moment `at`: all changes made before
 * the last complete barrier, and any part of all later changes, down to single sectors.
 *
 * @returns They stay as they are until the next call.
 */
export function cutOff(
  before: Buffer,
  record: HostRecord,
  file: number,
  at: number,
  random: Random,
): Buffer {
  const barriers = record.barriers.filter((one) => one.file === file && one.done <= at);
  const certain = Math.max(0, ...barriers.map(({ issued }) => issued));
  const asked = record.changes.filter((one) => one.file === file && one.issued <= at);
  const host = new HostBytes(before);
  asked.sort((a, b) => a.done - b.done || a.issued - b.issued);
  // The percentage of the later changes that reached the disk, from hardly any to nearly all.
  const share = random.below(101);
  for (const change of asked) {
    if (change.done <= certain && !change.failed) host.apply(change, 0, change.length);
    else if (random.oneIn(4)) applyTorn(host, change, share, random);
    else if (random.below(100) < share) host.apply(change, 0, change.length);
  }
  return host.content;
}

/** Applies some sectors of a change. The bytes of a sector are written together. */
function applyTorn(host: HostBytes, change: Change, share: number, random: Random): void {
  if (change.kind === 'size' || change.kind === 'longer') return;
  for (let at = 0; at < change.length; ) {
    const end = Math.min(change.length, at + SECTOR - ((change.offset + at) % SECTOR));
    if (random.below(100) < share) host.apply(change, at, end);
    at = end;
  }
}

/** Where contents are made. Memory that is new takes longer than all that is done with it. */
let room = Buffer.alloc(0);

/** A file in memory that grows. There is one at a time. */
class HostBytes {
  #size = 0;

  constructor(before: Buffer) {
    this.#resize(before.length);
    before.copy(room);
  }

  get content(): Buffer {
    return room.subarray(0, this.#size);
  }

  /** Applies the bytes `from` to `to` of a change. */
  apply(change: Change, from: number, to: number): void {
    const { kind, offset, bytes } = change;
    if (kind === 'size') this.#resize(offset);
    // A write of which nothing was made does not make a file longer.
    else if (from === to) return;
    else if (kind === 'longer') this.#resize(Math.max(this.#size, offset + to));
    else {
      if (kind !== 'zero') this.#resize(Math.max(this.#size, offset + to));
      const end = Math.min(this.#size, offset + to);
      if (kind !== 'write') room.fill(0, offset + from, end);
      else bytes!.copy(room, offset + from, from, to);
    }
  }

  #resize(size: number): void {
    if (size > room.length) {
      const larger = Buffer.alloc(2 * size);
      room.copy(larger, 0, 0, this.#size);
      room = larger;
    }
    if (size > this.#size) room.fill(0, this.#size, size);
    this.#size = size;
  }
}

/** Makes a file end with a whole block: see `ImagePlan.unit`. */
export function wholeBlocks(file: Buffer, unit: number): Buffer {
  const rest = -file.length & (unit - 1);
  return rest === 0 ? file : Buffer.concat([file, Buffer.alloc(rest)]);
}
