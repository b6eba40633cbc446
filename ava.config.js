import { availableParallelism } from 'node:os';
// Tests start the program that users get: it is made of the sources as they are now, in half a second.
import './build/tools/bundle.js';

/** The files that take longest. They begin first: at the end no processor waits for one of them alone. */
const LONGEST = [
  'formats/write',
  'replay/replay',
  'tools/torture',
  'formats/content',
  'conformance/behaviour',
  'conformance/mounted',
  'formats/crash',
  'formats/block-device',
  'mount/exerciser',
  'conformance/core',
  'formats/refcounts',
  'formats/growable',
  'tools/fuzz',
  'mount/control-files',
  'mount/control-live',
  'server/end-mount',
  'plane/storm',
].map((name) => `/build/test/${name}.test.js`);

/** Place of a file in the order. */
function placeOf(path) {
  const place = LONGEST.findIndex((name) => path.endsWith(name));
  return place < 0 ? LONGEST.length : place;
}

// Mount tests own real mounts and child processes, so files run as processes, not threads.
export default {
  files: ['build/test/**/*.test.js'],
  require: ['./build/test/helpers/fixed-seed.js'],
  workerThreads: false,
  // Two files for each processor: more than a quarter of the time a file waits, for a disk, a limit or the kernel.
  concurrency: 2 * availableParallelism(),
  sortTestFiles: (one, other) => placeOf(one) - placeOf(other) || (one < other ? -1 : 1),
  timeout: '300s',
};
