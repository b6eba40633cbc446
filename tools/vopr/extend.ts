import type { Steps } from './disks.js';
import type { Scene, Self } from './scene.js';
import { EXTENSION_BYTES } from './tight.js';
import { bounds, flush, write } from './transfers.js';

const SECTOR = 512;

/** A write behind the end of a disk, which makes it longer, and an fsync. */
export function* extend(scene: Scene, self: Self): Steps {
  const { random } = self;
  const can = scene.disks.filter(({ image, length, readOnly }) => {
    return image.plan.growable && length === null && !readOnly;
  });
  if (can.length === 0) return;
  const disk = can[random.below(can.length)]!;
  const { image } = disk;
  yield (resume) => image.acquire(false, () => resume());
  try {
    const { most } = bounds(disk);
    const left = image.contents.limit - most;
    const length = SECTOR * (1 + random.below(16));
    const far = random.oneIn(4) ? left - length : EXTENSION_BYTES;
    const offset = most + SECTOR * random.below(far / SECTOR + 1);
    if (offset + length > image.contents.limit) return;
    yield* write(scene, self, disk, undefined, { offset, length });
    yield* flush(scene, self, disk);
  } finally {
    image.release();
  }
}
