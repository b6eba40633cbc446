import { availableParallelism } from 'node:os';
import { switchRingOn } from './build/test/helpers/ring-switch.js';

// Tests start the program that users get: it is made of the sources as they are now, in three seconds. `make test` has
// just made it.
if (process.env.SLUICE_BUILT === undefined) await import('./build/tools/bundle.js');

switchRingOn();

/** The files that take longest. They begin first: at the end no processor waits for one of them alone. */
const LONGEST = [
  'tools/vopr',
  'formats/write',
  'tools/torture',
  'replay/replay',
  'conformance/behaviour',
  'formats/content',
  'mount/exerciser',
  'tools/fuzz',
  'conformance/mounted',
  'plane/storm',
  'cli/main',
  'formats/block-device',
  'image/qcow2/rebuild-refcounts',
  'conformance/core',
  'mount/control-live',
  'formats/overlay',
  'server/end-mount',
  'mount/last-flush',
  'throttle/throttle-limits',
].map((name) => `/build/test/${name}.test.js`);

/** Place of a file in the order. */
function placeOf(path) {
  const place = LONGEST.findIndex((name) => path.endsWith(name));
  return place < 0 ? LONGEST.length : place;
}

// Mount tests own real mounts and child processes, so files run as processes, not threads.
export default {
  files: ['build/test/**/*.test.js'],
  workerThreads: false,
  // Five files for two processors: half of the time a file waits, for a disk, a limit or the kernel. With four of them the
  // processors have nothing to do for a seventh of the time; with six tests wait for each other.
  concurrency: Math.ceil(2.5 * availableParallelism()),
  sortTestFiles: (one, other) => placeOf(one) - placeOf(other) || (one < other ? -1 : 1),
  timeout: '300s',
};
