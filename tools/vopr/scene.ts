import type { DiskConfig } from '../../src/plane/disk.js';
import type { ImageOrder } from '../../src/server/image-order.js';
import { ERRNO, errnoName } from '../../src/util/errno.js';
import { EXIT_FAILED, SluiceError } from '../../src/util/errors.js';
import type { Random } from '../exerciser/random.js';
import type { Disk, Image, Steps } from './disks.js';
import type { Answer, FuseKernel } from './fuse-kernel.js';
import type { Ask } from './kernel-queues.js';
import type { LossesCheck } from './losses-check.js';
import type { SimConfigFile } from './reload-callers.js';
import { Failure, type World } from './world.js';

/** The session has ended: the caller stops. */
export class Gone extends Error {}

/** The errno of an order whose daemon has died: it was carried out, or not. */
export const DIED = 'ECONNRESET';

export function diedError(): SluiceError {
  return new SluiceError('the daemon has died', DIED, EXIT_FAILED);
}

/** All that callers of a session share. */
export interface Scene {
  world: World;
  kernel: FuseKernel;
  seed: number;
  disks: Disk[];
  images: readonly Image[];
  /** The whole image, as the session was given it, before it has come. */
  configOf(image: Image): DiskConfig;
  /** The mount is only read. */
  readOnly: boolean;
  /** Groups that were made at the start. */
  groups: number;
  /** Gives an order to the control plane. `answered` is called with its error, or null. */
  order(order: ImageOrder, answered: (error: unknown) => void): void;
  /** The configuration file of the mount. */
  configFile: SimConfigFile;
  /** Nothing goes wrong on the host, in the kernel or at a server. */
  isQuiet: boolean;
  /** The host has given this errno, positive. */
  hasGiven(errno: number): boolean;
  /** The host has no fallocate. */
  isPlain: boolean;
  /** An image may be refused for want of memory. No request is. */
  lacksMemory: boolean;
  /** Checks that nothing is left of images that are gone. */
  checkGone(): void;
  /** Threads that are being killed. */
  killed: Set<number>;
  /** Node ids of groups' directories and control files, by path below `.groups`. */
  nodes: Map<string, number>;
  /** Faults that the host has made in the name of a request, by its id. */
  hits: Set<number>;
  /** Requests that a server has refused, by their ids. It may have been asked again. */
  explained: ReadonlySet<number>;
  /** The image of the disk is an export of a server. */
  isRemote(disk: Disk): boolean;
  /** Admissions by the throttle of a request that is under way, or was a moment ago, by its id. */
  admissions(unique: number): number;
  /** The mount goes from process to process; no order is carried out meanwhile. */
  handsOver: boolean;
  /** A caller is about to ask for a change that daemons die with. */
  changes(): void;
  /** How many daemons have died. */
  deaths(): number;
  /** A request waits for its group. */
  waits(unique: number): boolean;
  /** Whether an errno may come without a fault in the request's own name. */
  excused(errno: number, disk: Disk): boolean;
  /** A flush of the host has failed for the image of the disk. */
  hasLost(disk: Disk): boolean;
  /** Tick at which a flush of the host has failed last for the image of the disk; 0: none has. */
  toTellAt(disk: Disk): number;
  losses: LossesCheck;
  /** On a host that has faults, the operation after `count` others fails. */
  failSoon(count: number): void;
  /** The next read of the image's file takes long. */
  slowRead(image: Image): void;
}

/** Steps that end with the session at the latest. */
export function* untilGone(steps: Steps<unknown>): Steps {
  try {
    yield* steps;
  } catch (error) {
    if (!(error instanceof Gone)) throw error;
  }
}

/**
 * The image of the disk is being detached, or gone, and the request was refused for that: nothing was done.
 * Throws where a disk that is gone answers.
 */
export function isRefused({ world }: Scene, disk: Disk, { error, sent }: Asked): boolean {
  const { stay, name } = disk;
  const errno = -error;
  const isStale = errno === ERRNO.ESTALE || errno === ERRNO.ENODEV;
  if (sent > stay.goneAt && !isStale) {
    throw new Failure(`${name} is gone, and a request for it has the result ${errnoName(errno)}`);
  }
  if (errno !== ERRNO.EBUSY && !isStale) return false;
  return stay.isLeaving(sent, world.tick());
}

/** What a caller knows of itself. */
export interface Self {
  random: Random;
  uid: number;
  thread: number;
}

/** An answer, with the id of its request. */
export interface Asked extends Answer {
  unique: number;
  /** When it was sent, a tick of the world. */
  sent: number;
}

/**
 * Sends a request and waits for its answer. Throws Gone where the session has ended.
 * @param sentAs Called with the id of the request.
 */
export function* ask(
  scene: Scene,
  request: Ask,
  sentAs: (unique: number) => void = () => {},
): Steps<Asked> {
  let unique = 0;
  const sent = scene.world.tick();
  const answer = (yield (resume) => {
    unique = scene.kernel.ask(request, resume);
    sentAs(unique);
  }) as Answer;
  if (!answer.isReply) throw new Gone();
  return { ...answer, unique, sent };
}
