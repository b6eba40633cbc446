import type { ImageConfig } from '../../src/server/config.js';
import type { ErrorRecord } from '../../src/util/errors.js';
import { close, open } from './callers.js';
import type { Image, Steps } from './disks.js';
import { Stay } from './disks.js';
import { checkFile } from './moments.js';
import { checkAway, disksOf, give, nodeOf } from './order-callers.js';
import { openImage } from './preparation.js';
import { DIED, type Scene, type Self } from './scene.js';
import { Failure } from './world.js';

// A configuration file whose images come and go.

/** The most images that one reload changes. */
const IMAGES = 3;
/** No such user: the groups of a file with it cannot be made. */
const BAD = { member: 'nobody', group: '' };

/** What becomes of an image. */
interface Change {
  image: Image;
  /** It is in the file before, and after. */
  was: boolean;
  is: boolean;
  /** It was there before; its files stay open. */
  stay: Stay | null;
  isBusy: boolean;
  node: number;
  stayed: (to: number) => void;
}

/** The file gets other images, and is read again: they come and go, or nothing does. */
export function* reloadImages(scene: Scene, self: Self): Steps {
  const { configFile } = scene;
  // After a death nobody knows of which file the images are.
  if (!scene.isQuiet || configFile.isBusy || configFile.isUncertain) return;
  configFile.isBusy = true;
  const images = chosen(scene, self);
  for (const image of images) image.isOrdered = true;
  const held: Image[] = [];
  try {
    const changes: Change[] = [];
    for (const image of images) {
      yield (resume) => image.acquire(true, () => resume());
      held.push(image);
      changes.push(yield* prepare(scene, self, image));
    }
    if (changes.length > 0) yield* reload(scene, self, changes);
  } finally {
    for (const image of held) image.release();
    for (const image of images) image.isOrdered = false;
    configFile.isBusy = false;
  }
}

function chosen(scene: Scene, { random }: Self): Image[] {
  const can = scene.images.filter(({ plan, isOrdered, isSpoiled, least, stay }) => {
    const isPlain = !plan.onDevice && plan.views.length === 0 && !plan.overlaid && least > 0;
    return isPlain && !isOrdered && !isSpoiled && stay?.faults.isEmpty !== false;
  });
  return can.filter(() => !random.oneIn(3)).slice(0, IMAGES);
}

function* prepare(scene: Scene, { random }: Self, image: Image): Steps<Change> {
  const { stay } = image;
  const was = scene.configFile.images.some(({ name }) => name === image.plan.name);
  const is = random.oneIn(2);
  const goes = was && !is && stay !== null;
  const isBusy = goes && random.oneIn(6);
  const node = stay === null ? 0 : yield* nodeOf(scene, image);
  if (goes && !isBusy) for (const disk of disksOf(scene, image)) yield* close(scene, disk);
  const stayed = goes ? stay.leave(scene.world.tick()) : (): void => {};
  return { image, was, is, stay, isBusy, node, stayed };
}

function* reload(scene: Scene, self: Self, changes: readonly Change[]): Steps {
  const { configFile } = scene;
  const before = { images: configFile.images, now: configFile.now };
  const others = before.images.filter(({ name }) => {
    return !changes.some(({ image }) => image.plan.name === name);
  });
  const added = changes.filter(({ is }) => is).map(({ image }) => configOf(image));
  const isBad = self.random.oneIn(4);
  configFile.images = [...others, ...added];
  if (isBad) {
    const { groups, assignments } = before.now;
    configFile.now = { groups, assignments: [...assignments, BAD] };
  }
  scene.changes();
  const error = yield* give(scene, self, { kind: 'reload' });
  configFile.now = before.now;
  const kept = changes.filter(({ was, is, stay, isBusy }) => was && !is && stay && isBusy);
  const isBusy = !isBad && kept.length > 0;
  if (error?.errno === DIED) configFile.isUncertain = true;
  else if (error !== null && !(error.errno === 'EBUSY' && isBusy))
    configFile.images = before.images;
  else configFile.images = [...configFile.images, ...kept.map(({ image }) => configOf(image))];
  // All files are being closed for the end.
  const areClosed = kept.some(({ image }) =>
    disksOf(scene, image).every(({ handle }) => handle === 0),
  );
  const hasGone = isBusy && areClosed && error === null;
  if (hasGone) configFile.isUncertain = true;
  const isCertain = !hasGone && checkError(scene, error, isBad, isBusy);
  const isMade = error === null || (isBusy && error.errno === 'EBUSY');
  for (const change of changes) {
    const wanted = isMade ? isThereAfter(change) : change.stay !== null;
    yield* settle(scene, change, isCertain ? wanted : null, isMade);
  }
}

/** @returns Whether it is certain which images there are. */
function checkError(
  { handsOver, lacksMemory }: Scene,
  error: ErrorRecord | null,
  isBad: boolean,
  isBusy: boolean,
): boolean {
  const errno = error?.errno ?? null;
  if (errno === DIED || errno === 'ESHUTDOWN') return false;
  // What was done before it failed cannot be taken back any more.
  if (error?.message.endsWith('the mount is ending')) return false;
  if (errno === 'EAGAIN' && handsOver) return false;
  if (errno === 'ENOMEM' && lacksMemory) return false;
  const wanted = isBad ? 'ENOENT' : isBusy ? 'EBUSY' : null;
  if (errno === wanted) return true;
  throw new Failure(`a reload of images has ${errno ?? 'no error'}: ${error?.message ?? ''}`);
}

function isThereAfter({ was, is, stay, isBusy }: Change): boolean {
  if (stay !== null) return !was || is || isBusy;
  return !was && is;
}

/** @param wanted Whether the image is there now; null: nobody knows. */
function* settle(
  scene: Scene,
  { image, stay, node: nodeBefore, stayed }: Change,
  wanted: boolean | null,
  isMade: boolean,
): Steps {
  const { world } = scene;
  const now = world.tick();
  const node = yield* nodeOf(scene, image);
  const isThere = node > 0;
  if (wanted !== null && isThere !== wanted) {
    throw new Failure(`after a reload ${image.plan.name} is${isThere ? '' : ' not'} there`);
  }
  if (isThere && node === nodeBefore) {
    stayed(now);
    for (const disk of disksOf(scene, image)) if (disk.handle === 0) yield* open(scene, disk);
    return;
  }
  if (stay !== null) {
    stay.goneAt = world.tick();
    image.stay = null;
    if (isMade) {
      image.hasSynced(now, now);
      checkFile(image, now);
    }
  }
  if (isThere) {
    image.stay = new Stay(world.tick(), stay?.readOnly ?? scene.readOnly);
    yield* openImage(scene, image, scene.configOf(image));
  } else yield* checkAway(scene, image);
}

function configOf({ plan, path, format }: Image): ImageConfig {
  return { name: plan.name, path, format, backingFormats: [], snapshot: null };
}
