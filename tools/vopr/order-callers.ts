import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import { formatOrder, type ImageOrder } from '../../src/server/image-order.js';
import { ERRNO } from '../../src/util/errno.js';
import { type ErrorRecord, recordOf, SluiceError } from '../../src/util/errors.js';
import { faultWords } from './asked-faults.js';
import { close, open } from './callers.js';
import { closeFile, openFile, readHandle, writeHandle } from './control-callers.js';
import { type Disk, type Image, roundUpToSector, Stay, type Steps } from './disks.js';
import { KEY } from './image-orders.js';
import { checkFile } from './moments.js';
import { checkNoOverlay, orderOverlay, restoreOverlay } from './overlays.js';
import { openImage } from './preparation.js';
import * as body from './requests.js';
import { ask, DIED, diedError, type Scene, type Self } from './scene.js';
import { Failure } from './world.js';

const O_RDWR = 2;
const SECTOR = 512;
/** The kernel refuses the reply to a read of an answer so often at most. */
const READS = 50;

/** What an order may be refused for, besides faults of the host. */
const REFUSALS: Readonly<Record<ImageOrder['kind'], readonly string[]>> = {
  reload: [],
  faults: ['ESHUTDOWN'],
  overlay: [],
  // No such group, or one with groups below it; too many files are open.
  attach: ['ENOENT', 'EBUSY', 'EMFILE', 'ESHUTDOWN'],
  detach: ['EBUSY', 'ESHUTDOWN'],
  // The size is that of a shorter image, or no whole number of blocks; the format keeps its size.
  resize: ['EINVAL', 'EPERM', 'EROFS', 'ESHUTDOWN'],
};
const OF_HOST = ['EIO', 'ENOSPC', 'EDQUOT'];

/** One order about an image, by a caller that opens and closes its files as they come and go. */
export function* orderStep(scene: Scene, self: Self): Steps {
  const { random } = self;
  const image = scene.images[random.below(scene.images.length)]!;
  if (image.isOrdered || random.oneIn(8)) {
    yield* nonsense(scene, self, image);
    return;
  }
  image.isOrdered = true;
  const { stay } = image;
  if (stay === null) {
    if (!image.isSpoiled) yield* attach(scene, self, image);
  } else if (image.plan.views.length > 0) {
    yield* refused(scene, self, detachOf(image, random.oneIn(2)), 'EBUSY');
  } else if (image.plan.onDevice) yield* nonsense(scene, self, image);
  else if (image.plan.resizable && random.oneIn(4)) yield* resize(scene, self, image, stay);
  else if (random.oneIn(2)) yield* forceOut(scene, self, image, stay);
  else yield* takeOut(scene, self, image, stay);
  image.isOrdered = false;
}

/** An image that is an overlay comes, or goes. */
export function* overlayStep(scene: Scene, self: Self): Steps {
  const { random } = self;
  const can = scene.images.filter(({ plan, isOrdered, isSpoiled }) => {
    return plan.overlaid && !isOrdered && !isSpoiled;
  });
  if (can.length === 0) return;
  const image = can[random.below(can.length)]!;
  const { stay } = image;
  image.isOrdered = true;
  if (stay === null) yield* attach(scene, self, image);
  else if (random.oneIn(4)) yield* forceOut(scene, self, image, stay);
  else yield* takeOut(scene, self, image, stay);
  image.isOrdered = false;
}

/** An order that makes an image longer, perhaps where the host fails just then. */
export function* growStep(scene: Scene, self: Self): Steps {
  const { random } = self;
  const can = scene.images.filter(({ plan, stay, isOrdered }) => {
    return plan.resizable && !isOrdered && stay !== null && !stay.readOnly;
  });
  if (can.length === 0) return;
  const image = can[random.below(can.length)]!;
  const { stay } = image;
  image.isOrdered = true;
  // Nobody truncates it meanwhile.
  yield (resume) => image.acquire(false, () => resume());
  try {
    const sectors = Math.floor((image.contents.limit - image.most) / SECTOR);
    if (sectors <= 0) return;
    if (random.oneIn(2)) scene.failSoon(random.below(3));
    const drawn = roundUpToSector(image.most) + SECTOR * (1 + random.below(sectors));
    const size = drawn - (drawn % image.plan.unit);
    if (size <= image.most) return;
    yield* resizeTo(scene, self, image, stay!, size);
  } finally {
    image.release();
    image.isOrdered = false;
  }
}

/** A user wants faults of an image, or none any more. */
export function* faultsStep(scene: Scene, self: Self): Steps {
  const { random } = self;
  const { world } = scene;
  const there = scene.images.filter(({ stay, isOrdered }) => stay !== null && !isOrdered);
  if (there.length === 0) return;
  const image = there[random.below(there.length)]!;
  const faults = faultWords(random);
  const order: ImageOrder = { kind: 'faults', name: image.plan.name, faults };
  image.isOrdered = true;
  const ended = image.stay!.faults.begin(faults, world.tick());
  const error = yield* give(scene, self, order);
  if (error?.errno !== DIED) ended(error === null, world.tick());
  image.isOrdered = false;
  if (error !== null) checkError(scene, order, error);
}

function detachOf({ plan }: Image, force: boolean): ImageOrder {
  return { kind: 'detach', name: plan.name, force };
}

function attachOf(
  scene: Scene,
  { random }: Self,
  image: Image,
): Extract<ImageOrder, { kind: 'attach' }> {
  const { plan, path, format, template } = image;
  const { name } = plan;
  const group = `g${random.below(Math.max(1, scene.groups) + 1)}`;
  const partitions = template.partitions.length > 0 ? { sectorSize: null } : null;
  return {
    kind: 'attach',
    image: { name, path, format, backingFormats: [], snapshot: null },
    overlay: null,
    options: { readOnly: scene.readOnly || random.oneIn(8), growable: true, partitions },
    assignments: random.oneIn(3) ? [{ member: name, group }] : [],
  };
}

function* attach(scene: Scene, self: Self, image: Image): Steps {
  const { random } = self;
  const order = attachOf(scene, self, image);
  // An empty file is none that can be read.
  if (image.least === 0) order.options.readOnly = false;
  if (image.least === 0 && scene.readOnly) return;
  if (image.plan.overlaid) orderOverlay(order, image, random);
  const error = yield* give(scene, self, order);
  const isThere = error?.errno === DIED && (yield* nodeOf(scene, image)) > 0;
  if (error !== null && !isThere) {
    checkError(scene, order, error);
    if (error.errno === DIED) {
      // The order had failed, and its daemon died before it could say so.
      if (image.plan.overlaid) restoreOverlay(image);
      return;
    }
    if (order.assignments.length === 0 && ['ENOENT', 'EBUSY'].includes(error.errno)) {
      throw wrong(order, error);
    }
    if (image.plan.overlaid) checkNoOverlay(image);
    scene.checkGone();
    yield* checkAway(scene, image);
    return;
  }
  image.stay = new Stay(scene.world.tick(), order.options.readOnly!);
  yield* openImage(scene, image, scene.configOf(image));
}

/** Detaches an image of which no file is open. */
function* takeOut(scene: Scene, self: Self, image: Image, stay: Stay): Steps {
  yield (resume) => image.acquire(true, () => resume());
  try {
    const disks = disksOf(scene, image);
    for (const disk of disks) yield* close(scene, disk);
    const isGone = yield* detach(scene, self, image, stay, false);
    for (const disk of disks) if (!isGone) yield* open(scene, disk);
  } finally {
    image.release();
  }
}

/** Detaches an image that is in use. */
function* forceOut(scene: Scene, self: Self, image: Image, stay: Stay): Steps {
  const disks = disksOf(scene, image);
  // It is refused, unless all files are being closed for the end.
  const isGone = self.random.oneIn(3) && (yield* detach(scene, self, image, stay, false));
  if (!isGone && !(yield* detach(scene, self, image, stay, true))) return;
  for (const disk of disks) yield* close(scene, disk);
}

/** @returns Whether the image is gone. */
function* detach(
  scene: Scene,
  self: Self,
  image: Image,
  stay: Stay,
  force: boolean,
): Steps<boolean> {
  const { world } = scene;
  const order = detachOf(image, force);
  const nodeBefore = disksOf(scene, image)[0]?.node;
  const stayed = stay.leave(world.tick());
  // If the mount ends before the answer, nobody knows.
  image.isSpoiled = true;
  const error = yield* give(scene, self, order);
  const now = world.tick();
  const node = error === null ? -1 : yield* nodeOf(scene, image);
  image.isSpoiled = node < 0 && error !== null && error.errno !== DIED;
  if (node > 0 && error?.errno === DIED && node !== nodeBefore) {
    // It has come again with the next daemon.
    stay.goneAt = scene.world.tick();
    image.stay = new Stay(stay.goneAt, stay.readOnly);
    yield* openImage(scene, image, scene.configOf(image));
    return true;
  }
  if (node > 0) {
    stayed(now);
    checkError(scene, order, error);
    if (force && !['ESHUTDOWN', 'EAGAIN', DIED].includes(error!.errno)) {
      throw new Failure(`${image.plan.name} stays, although its detach was forced`);
    }
    return false;
  }
  const lost = disksOf(scene, image).some((disk) => scene.toTellAt(disk) > 0);
  stay.goneAt = now;
  image.stay = null;
  if (error?.errno === DIED) return true;
  if (error === null) image.hasSynced(now, now);
  else if (!OF_HOST.includes(error.errno)) throw wrong(order, error);
  if (lost && error === null && !stay.readOnly) {
    throw new Failure(`${image.plan.name} has lost data, and its detach does not say so`);
  }
  scene.checkGone();
  if (error === null) checkFile(image, now);
  yield* checkAway(scene, image);
  return true;
}

/** Makes an image longer, while others use it. */
function* resize(scene: Scene, self: Self, image: Image, stay: Stay): Steps {
  const { random } = self;
  const { limit } = image.contents;
  const isAny = random.oneIn(6);
  const drawn = isAny ? random.below(limit + 1) : SECTOR * random.below(limit / SECTOR + 1);
  // An odd size is refused.
  const size = isAny ? drawn | 1 : drawn - (drawn % image.plan.unit);
  yield* resizeTo(scene, self, image, stay, size);
}

function* resizeTo(scene: Scene, self: Self, image: Image, stay: Stay, size: number): Steps {
  const order: ImageOrder = { kind: 'resize', name: image.plan.name, size };
  image.contents.endsAt(size);
  if (!stay.readOnly) image.mayResize(Math.ceil(size / SECTOR) * SECTOR);
  const error = yield* give(scene, self, order);
  if (!stay.readOnly) image.wasResized(error === null, scene.world.tick());
  if (error !== null) checkError(scene, order, error);
}

/** Orders that are always refused, and change nothing. */
function* nonsense(scene: Scene, self: Self, image: Image): Steps {
  const { random } = self;
  const { path } = image;
  const order = attachOf(scene, self, image);
  const isThere = image.stay !== null && !image.isOrdered;
  switch (random.below(isThere ? 5 : 3)) {
    case 0:
      yield* refused(scene, self, { kind: 'detach', name: 'nobody', force: true }, 'ENOENT');
      break;
    case 1:
      order.image = { ...order.image, name: 'nobody', path: `${path}-not-there` };
      yield* refused(scene, self, order, 'ENOENT');
      break;
    case 2:
      yield* refused(scene, self, order, 'EACCES', 'a wrong key');
      break;
    case 3:
      // It is mounted already, whatever the name.
      order.image = { ...order.image, name: random.oneIn(2) ? 'other' : order.image.name };
      order.options.growable = true;
      if (image.least === 0) order.options.readOnly = false;
      // Nobody else detaches it meanwhile.
      image.isOrdered = true;
      yield* refused(scene, self, order, 'EBUSY');
      image.isOrdered = false;
      break;
    default:
      yield* refused(scene, self, { kind: 'resize', name: 'nobody', size: SECTOR }, 'ENOENT');
  }
}

function* refused(scene: Scene, self: Self, order: ImageOrder, errno: string, key = KEY): Steps {
  const error = yield* give(scene, self, order, key);
  const found = error?.errno ?? 'no error';
  const isHanding = scene.handsOver && found === 'EAGAIN';
  if (!isHanding && ![errno, DIED, 'ESHUTDOWN', 'EMFILE'].includes(found)) {
    throw new Failure(`a ${order.kind} is not refused with ${errno}, but has ${found}`);
  }
}

/** Gives an order. @returns Its error, or DIED: then nobody knows. */
export function* give(
  scene: Scene,
  self: Self,
  order: ImageOrder,
  key = KEY,
): Steps<ErrorRecord | null> {
  const deaths = scene.deaths();
  const error = yield* giveOnce(scene, self, order, key);
  return scene.deaths() === deaths ? error : recordOf(diedError());
}

/** Gives it through the mount, as commands do, or on the control plane itself. */
function* giveOnce(
  scene: Scene,
  { random }: Self,
  order: ImageOrder,
  key: string,
): Steps<ErrorRecord | null> {
  if (key === KEY && random.oneIn(2)) {
    const error = yield (resume) => scene.order(order, resume);
    if (error === null) return null;
    if (error instanceof SluiceError) return recordOf(error);
    throw error;
  }
  const deaths = scene.deaths();
  const { node, handle } = yield* openFile(scene, 'images', O_RDWR);
  if (node < 0) throw new Failure(`there is no file for orders: ${node}`);
  const written = yield* writeHandle(scene, node, handle, formatOrder(key, order));
  for (let i = 0; i < READS; i++) {
    const text = yield* readHandle(scene, node, handle);
    if (text === null) continue;
    yield* closeFile(scene, node, handle);
    // It went with a daemon that died as the mount ended.
    if (text === '' && scene.deaths() !== deaths) return recordOf(diedError());
    const { error } = JSON.parse(text) as { error: ErrorRecord | null };
    if ((error === null) === (written === 0)) return error;
    throw new Failure(`an order has the result ${written} and the answer ${text}`);
  }
  throw new Failure('the answer to an order cannot be read');
}

function checkError(scene: Scene, order: ImageOrder, error: ErrorRecord | null): void {
  const errno = error?.errno ?? '';
  if (errno === DIED || REFUSALS[order.kind].includes(errno)) return;
  if (errno === 'EAGAIN' && scene.handsOver) return;
  if (order.kind === 'attach' && errno === 'ENOMEM' && scene.lacksMemory) return;
  if (order.kind === 'resize' && errno === 'EOPNOTSUPP' && scene.isPlain) return;
  const number = (ERRNO as Readonly<Record<string, number>>)[errno] ?? 0;
  if (OF_HOST.includes(errno) && scene.hasGiven(number)) return;
  throw wrong(order, error!);
}

function wrong(order: ImageOrder, { errno, message }: ErrorRecord): Failure {
  return new Failure(`${JSON.stringify(order)} fails with ${errno}: ${message}`);
}

export function disksOf(scene: Scene, image: Image): Disk[] {
  return scene.disks.filter(({ stay }) => stay === image.stay);
}

/** Node of the file of an image, or -errno. */
export function* nodeOf(scene: Scene, image: Image): Steps<number> {
  const name = body.nameBody(`${image.plan.name}.raw`);
  const asked = yield* ask(scene, { opcode: abi.LOOKUP, node: abi.ROOT_ID, body: name });
  if (asked.error !== 0) return asked.error;
  return getU64(new DataView(asked.payload.buffer), abi.ENTRY_OUT_NODEID);
}

/** The mount shows no file of the image. */
export function* checkAway(scene: Scene, image: Image): Steps {
  const error = yield* nodeOf(scene, image);
  if (error === -ERRNO.ENOENT) return;
  throw new Failure(`${image.plan.name} has not come or is gone, and its file is there: ${error}`);
}
