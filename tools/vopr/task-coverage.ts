import { InPlaceWriter } from '../../src/image/in-place-writer.js';
import { Inflater } from '../../src/image/inflater.js';
import { LayeredDriver } from '../../src/image/layered-driver.js';
import { Layers } from '../../src/image/layers.js';
import { ClusterWrites } from '../../src/image/qcow2/cluster-writes.js';
import { MetadataFlush } from '../../src/image/qcow2/metadata-flush.js';
import { RefcountIo } from '../../src/image/qcow2/refcount-io.js';
import { QcowWrites } from '../../src/image/qcow2/writes.js';
import { RawDriver } from '../../src/image/raw/raw-driver.js';
import { SliceCache } from '../../src/image/slice-cache.js';
import { UnalignedWrites } from '../../src/image/unaligned-writes.js';
import { DiskRequests } from '../../src/plane/disk-requests.js';
import { ImagePartitions } from '../../src/plane/image-partitions.js';
import type { Coverage } from './coverage.js';

/** Classes whose coroutines are tasks of drivers, or parts of such tasks. */
const CLASSES: readonly { name: string; prototype: object }[] = [
  ...[ClusterWrites, DiskRequests, ImagePartitions, Inflater, InPlaceWriter, LayeredDriver],
  ...[Layers, MetadataFlush, QcowWrites, RawDriver, RefcountIo, SliceCache, UnalignedWrites],
];
const GENERATOR = Object.getPrototypeOf(function* () {}).constructor as new () => unknown;

/** Takes the count of the run that is under way. */
let coverage: Coverage | null = null;
let names: string[] | null = null;

/** From now on the tasks that begin are counted there. */
export function countTasks(to: Coverage): void {
  coverage = to;
  taskNames();
}

/** The names of all tasks, as they are counted. The first call makes them countable. */
export function taskNames(): readonly string[] {
  names ??= CLASSES.flatMap(({ name, prototype }) => watch(`task ${name}`, prototype));
  return names;
}

/** Replaces the coroutines of a class by such that are counted when they are called. */
function watch(of: string, prototype: object): string[] {
  const found: string[] = [];
  for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (!(value instanceof GENERATOR)) continue;
    const name = `${of}.${key}`;
    const task = value as unknown as (...words: unknown[]) => unknown;
    const counted = function (this: unknown, ...words: unknown[]): unknown {
      coverage?.add(name);
      return task.apply(this, words);
    };
    Object.defineProperty(prototype, key, { value: counted, configurable: true });
    found.push(name);
  }
  return found;
}
