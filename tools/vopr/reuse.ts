import { type Disk, drive, pause, type Steps } from './disks.js';
import { type Scene, type Self, untilGone } from './scene.js';
import { flush, type Range, read, write } from './transfers.js';

/** Until a request that was sent has come to its transfer, nanoseconds. */
const SENT_NS = 1e6;
/** How many neighbours on either side are overwritten: several compressed clusters lie in one of the file. */
const NEIGHBOURS = 3;

/**
 * Reads a compressed cluster so slowly that meanwhile it and its neighbours are overwritten, a flush frees what
 * they had, and other clusters take that room. The read has the old bytes all the same, or new ones.
 */
export function* reuse(scene: Scene, self: Self): Steps {
  const { random } = self;
  const { world } = scene;
  const disks = scene.disks.filter(({ image }) => image.template.kind?.compressedBytes);
  const disk = disks[random.below(Math.max(1, disks.length))];
  if (disk === undefined) return;
  const { image } = disk;
  const bytes = image.template.kind!.compressedBytes!;
  const clusters = Math.floor(image.least / bytes);
  const rangeOf = (cluster: number): Range => ({ offset: cluster * bytes, length: bytes });
  const cluster = random.below(clusters);
  scene.slowRead(image);
  let isDone = false;
  let wake = (): void => {};
  drive(untilGone(read(scene, self, disk, undefined, rangeOf(cluster))), () => {
    isDone = true;
    wake();
  });
  yield pause(world, random.below(SENT_NS));
  const last = Math.min(clusters - 1, cluster + NEIGHBOURS);
  for (let near = Math.max(0, cluster - NEIGHBOURS); near <= last; near++) {
    yield* write(scene, self, disk, undefined, rangeOf(near));
  }
  // The first flush frees the clusters; what is written after it may take them.
  for (let round = 0; round < 2; round++) {
    yield* flush(scene, self, disk);
    yield* overwriteOthers(scene, self, disk, clusters, rangeOf);
  }
  yield (resume) => {
    if (isDone) world.schedule(0, () => resume());
    else wake = resume;
  };
}

function* overwriteOthers(
  scene: Scene,
  self: Self,
  disk: Disk,
  clusters: number,
  rangeOf: (cluster: number) => Range,
): Steps {
  for (let i = 0; i < 2 * NEIGHBOURS; i++) {
    yield* write(scene, self, disk, undefined, rangeOf(self.random.below(clusters)));
  }
}
