import { closeSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runNow, SyncEngine } from '../../src/host/sync-engine.js';
import { InflateCalls } from '../../src/image/inflate-calls.js';
import { makeLayers } from '../../src/image/make-driver.js';
import { Mappings } from '../../src/image/mappings.js';
import { layerConfigs, openChain } from '../../src/image/open-chain.js';
import { type Mapping, mapAnonymous } from '../../src/sys/memory.js';
import type { Random } from '../exerciser/random.js';
import { inflateNow } from './control-plane.js';
import { type Image, roundUpToSector } from './disks.js';
import { packedSize, readPacked, writePacked } from './far-files.js';
import { cutOff } from './power-cut.js';
import { checkQcow } from './qcow-check.js';
import type { HostRecord } from './record.js';
import { Failure } from './world.js';

/** Moments as of which refcounts are looked at, for each one as of which all bytes are. */
const REFCOUNT_MOMENTS = 4;
/** Room for the bytes of any image. */
const ROOM_BYTES = 64 << 20;
const CHUNK_BYTES = 1 << 20;
/** More than any run has: all tables are in memory at once. */
const CACHE_BYTES = 4 << 20;
let room: Mapping | null = null;

/** Ticks of a session. */
export interface Stretch {
  from: number;
  to: number;
  /** The power fails mostly when a header has just been written. */
  atHeaders: boolean;
}

/**
 * The power could have failed at any moment of a session, and not only at its end: looks at what an image
 * would have been then.
 *
 * @param before Its file at the beginning of the session.
 */
export function checkMoment(
  image: Image,
  before: Buffer,
  record: HostRecord,
  stretch: Stretch,
  random: Random,
): void {
  const nameAt = (at: number): string =>
    `${image.plan.name} (${image.template.title}), had the power failed at ${at},`;
  let at = 0;
  let file = before;
  // Refcounts are looked at in a millisecond, so as of more moments than all bytes.
  const isCounted = image.format === 'qcow2';
  for (let i = 0; i < (isCounted ? REFCOUNT_MOMENTS : 1); i++) {
    at = chooseMoment(record, stretch, random);
    file = cutOff(before, record, 0, at, random);
    const broken = isCounted ? (checkQcow(file, image.isFar)?.broken ?? null) : null;
    if (broken !== null) throw new Failure(`${nameAt(at)} does not count the cluster at ${broken}`);
  }
  const name = nameAt(at);
  room ??= mapAnonymous(ROOM_BYTES);
  const bytes = new Uint8Array(room.buffer);
  const isRaw = image.format === 'raw';
  const size = isRaw ? file.length : readImage(overwritten(image, file), image.format, room);
  if (size > image.largest) throw new Failure(`${name} has ${size} bytes`);
  if (isRaw) bytes.set(file);
  // Behind the end all reads as zeros.
  bytes.fill(0, size, image.largest);
  const all = bytes.subarray(0, image.largest);
  const fault = image.contents.check(all, 0, image.syncedBefore(at), at);
  if (fault !== null) throw new Failure(`${name}: ${fault}`);
}

/** What was acknowledged before `now` is in the file of an image, which nobody uses any more. */
export function checkFile(image: Image, now: number): void {
  const name = `${image.plan.name} (${image.template.title}), detached,`;
  const file = readWhole(image.path);
  const isRaw = image.format === 'raw';
  const broken = image.format === 'qcow2' ? (checkQcow(file, image.isFar)?.broken ?? null) : null;
  if (broken !== null) throw new Failure(`${name} does not count the cluster at ${broken}`);
  room ??= mapAnonymous(ROOM_BYTES);
  const bytes = new Uint8Array(room.buffer);
  const size = isRaw ? file.length : readImage(image.path, image.format, room);
  if (isRaw) bytes.set(file);
  const rounded = roundUpToSector(size);
  if (rounded < image.least || rounded > image.most) {
    throw new Failure(`${name} has ${size} bytes, not ${image.least} to ${image.most}`);
  }
  bytes.fill(0, size, image.most);
  const fault = image.contents.check(bytes.subarray(0, image.most), 0, now, now);
  if (fault !== null) throw new Failure(`${name}: ${fault}`);
}

function readWhole(path: string): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    return readPacked(descriptor, Buffer.alloc(packedSize(descriptor)));
  } finally {
    closeSync(descriptor);
  }
}

/** A file with these bytes. The next call changes it: it is one file, for new pages take long. */
function overwritten({ path, isFar }: Image, bytes: Buffer): string {
  const moment = join(dirname(path), `moment-${process.pid}`);
  writePacked(moment, bytes, isFar);
  return moment;
}

/** Half of them just before a flush has ended: then most is uncertain. */
function chooseMoment(record: HostRecord, stretch: Stretch, random: Random): number {
  const { barriers, changes } = record;
  const { from, to, atHeaders } = stretch;
  const headers = changes.filter(({ kind, offset, done }) => {
    return atHeaders && kind === 'write' && offset === 0 && done < Infinity;
  });
  if (headers.length > 0 && !random.oneIn(3)) return headers[random.below(headers.length)]!.done;
  const ends = barriers.filter(({ done }) => done < Infinity);
  if (ends.length > 0 && random.oneIn(2)) return ends[random.below(ends.length)]!.done - 1;
  return from + random.below(to - from + 1);
}

/** Reads all bytes of a disk, by plain calls that wait. @returns Its size. */
function readImage(path: string, format: string, to: Mapping): number {
  const chain = openChain(path, { format, backingFormats: [], snapshot: null });
  const mappings = new Mappings();
  try {
    const engine = new SyncEngine();
    const { files, layers: configs } = layerConfigs(chain);
    const handles = files.map(({ descriptor }) => engine.add({ descriptor, inMemory: false }));
    const config = { layers: configs, alignment: 1, growable: false, writing: null };
    const inflateCalls: InflateCalls = new InflateCalls((call) => {
      inflateCalls.ended(call.request, inflateNow(call));
    });
    const io = { engine, resume: () => {}, inflateCalls, mappings };
    const layers = makeLayers({ ...config, cacheBytes: CACHE_BYTES }, handles, io);
    const { size } = layers.top;
    for (let from = 0; from < size; from += CHUNK_BYTES) {
      const error = runNow(layers.read(0, to, from, from, Math.min(size, from + CHUNK_BYTES)));
      if (error < 0) throw new Failure(`${path} cannot be read from ${from} on: ${error}`);
    }
    return size;
  } finally {
    chain.close();
    mappings.release();
  }
}
