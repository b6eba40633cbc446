import { rmSync, writeFileSync } from 'node:fs';
import { runNow, SyncEngine } from '../../src/host/sync-engine.js';
import { InflateCalls } from '../../src/image/inflate-calls.js';
import { makeLayers } from '../../src/image/make-driver.js';
import { layerConfigs, openChain } from '../../src/image/open-chain.js';
import { type Mapping, mapAnonymous } from '../../src/sys/memory.js';
import type { Random } from '../exerciser/random.js';
import { inflateNow } from './control-plane.js';
import type { Image } from './disks.js';
import { cutOff } from './power-cut.js';
import { checkQcow } from './qcow-check.js';
import type { HostRecord } from './record.js';
import { Failure } from './world.js';

const CHUNK_BYTES = 1 << 20;
/** More than any run has: all tables are in memory at once. */
const CACHE_BYTES = 4 << 20;
let chunk: Mapping | null = null;

/** Ticks of a session. */
export interface Stretch {
  from: number;
  to: number;
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
  const at = chooseMoment(record, stretch, random);
  const file = cutOff(before, record, 0, at, random);
  const name = `${image.plan.name} (${image.template.title}), had the power failed at ${at},`;
  const broken = image.isRaw ? null : (checkQcow(file)?.broken ?? null);
  if (broken !== null) throw new Failure(`${name} does not count the cluster at ${broken}`);
  const path = `${image.path}-moment`;
  writeFileSync(path, file);
  try {
    const bytes = image.isRaw ? file : readQcow(path);
    if (bytes.length > image.largest) throw new Failure(`${name} has ${bytes.length} bytes`);
    // Behind the end all reads as zeros.
    const all = Buffer.alloc(image.largest);
    bytes.copy(all);
    const fault = image.contents.check(all, 0, image.syncedBefore(at), at);
    if (fault !== null) throw new Failure(`${name}: ${fault}`);
  } finally {
    rmSync(path);
  }
}

/** Half of them just before a flush has ended: then most is uncertain. */
function chooseMoment({ barriers }: HostRecord, { from, to }: Stretch, random: Random): number {
  const ends = barriers.filter(({ done }) => done < Infinity);
  if (ends.length > 0 && random.oneIn(2)) return ends[random.below(ends.length)]!.done - 1;
  return from + random.below(to - from + 1);
}

/** All bytes of a disk, by plain calls that wait. */
function readQcow(path: string): Buffer {
  chunk ??= mapAnonymous(CHUNK_BYTES);
  const chain = openChain(path, { format: 'qcow2', backingFormats: [], snapshot: null });
  try {
    const engine = new SyncEngine();
    const { files, layers: configs } = layerConfigs(chain);
    const handles = files.map(({ descriptor }) => engine.add({ descriptor, inMemory: false }));
    const config = { layers: configs, alignment: 1, growable: false, writing: null };
    const inflateCalls: InflateCalls = new InflateCalls((call) => {
      inflateCalls.ended(call.request, inflateNow(call));
    });
    const io = { engine, resume: () => {}, inflateCalls };
    const layers = makeLayers({ ...config, cacheBytes: CACHE_BYTES }, handles, io);
    const bytes = Buffer.alloc(layers.top.size);
    for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
      const to = Math.min(bytes.length, from + CHUNK_BYTES);
      const error = runNow(layers.read(0, chunk, 0, from, to));
      if (error < 0) throw new Failure(`${path} cannot be read from ${from} on: ${error}`);
      bytes.set(new Uint8Array(chunk.buffer, 0, to - from), from);
    }
    return bytes;
  } finally {
    chain.close();
  }
}
