import { isDeepStrictEqual } from 'node:util';
import { NO_FAULTS } from '../control/faults.js';
import { formatMember, isOfImage, parseMember } from '../control/members.js';
import { type GroupStep, planGroups } from '../control/plan-groups.js';
import type { Assignment } from '../control/set-up-groups.js';
import { idOf } from '../sys/id-names.js';
import { EXIT_FAILED, refuse, SluiceError, withRemedy } from '../util/errors.js';
import { type ConfigSource, DISCARD, type ImageConfig, type MountConfig } from './config.js';
import type { ImageOrder } from './image-order.js';
import type { Obedient } from './image-orders.js';
import type { Log } from './log.js';
import type { OpenImages } from './open-images.js';

type Warn = (text: string) => void;
type Undo = () => Promise<unknown>;

/** What a mount is made with, as the command line calls it. The kernel knows it, or the data plane is built on it. */
const FIXED: Readonly<Partial<Record<keyof MountConfig, string>>> = {
  ...{
    mountpoint: 'mountpoint',
    untrusted: 'untrusted',
    readOnly: 'read-only',
    growable: 'growable',
  },
  ...{
    passthrough: 'passthrough',
    partitions: 'partitions',
    nbd: 'nbd-timeout or nbd-connections',
  },
  ...{ direct: 'direct', cache: 'cache', metadataCache: 'metadata-cache', transport: 'transport' },
  ...{ pollUs: 'poll-us', allowOther: 'allow-other', owner: 'owner', mode: 'mode' },
  ...{
    mountOptions: 'o',
    verbose: 'verbose',
    keeper: 'keeper',
    metrics: 'metrics',
    metricsToken: 'metrics-write',
    logFile: 'log',
  },
};

/** What a reload needs of a mount. */
export interface ReloadParts {
  readonly config: MountConfig;
  readonly images: Pick<OpenImages, 'disks' | 'checkInPlace'>;
  readonly log: Log;
  /** See `readSource`. */
  read(source: ConfigSource, say: Warn): Promise<MountConfig>;
  /** Makes steps, all of them or none. @throws SluiceError */
  reform(steps: readonly GroupStep[]): Promise<void>;
}

/** The difference of two lists of images. */
interface ImagePlan {
  /** They have to go before others come: those have their names or files. */
  first: ImageConfig[];
  come: ImageConfig[];
  last: ImageConfig[];
}

/**
 * Makes what is different between a configuration file and what it was when it was last read. What is the same
 * in both is not touched, whatever somebody has made of it meanwhile.
 */
export class Reload {
  readonly #parts: ReloadParts;
  /** As it was read last. */
  #config: MountConfig;

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = numbered(parts.config);
  }

  /** As it was read last. */
  get config(): MountConfig {
    return this.#config;
  }

  /**
   * @param orders have images come and go
   * @throws SluiceError; nothing is changed then, but for what the message says
   */
  async run(orders: Obedient, warn: Warn): Promise<void> {
    const { log, images, reform } = this.#parts;
    const before = this.#config;
    if (before.source === null) {
      throw refuse('the mount was made without --config, so there is no file to read again');
    }
    const { file } = before.source;
    const after = numbered(await this.#parts.read(before.source, warn));
    checkFixed(before, after, file);
    const plan = planImages(before.source.images, after.source!.images, images.disks);
    checkImages(plan, before, after, file);
    // Else they could not be taken back.
    for (const { name } of plan.first) images.checkInPlace(name);
    const undos: Undo[] = [];
    try {
      for (const image of plan.first) {
        await detach(image, orders, warn);
        undos.push(() => orders.obey(attachOrder(image, before), warn));
      }
      for (const image of plan.come) {
        await orders.obey(attachOrder(image, null), warn);
        undos.push(() => orders.obey(detachOrder(image), warn));
      }
      for (const { name, faults, was } of changedFaults(before, after, images.disks)) {
        await orders.obey({ kind: 'faults', name, faults }, warn);
        undos.push(() => orders.obey({ kind: 'faults', name, faults: was }, warn));
      }
      await reform(planGroups(before, after));
    } catch (error) {
      throw await undone(error, undos);
    }
    const kept = await this.#detachLast(plan.last, orders, warn);
    const source = { ...after.source!, images: [...after.source!.images, ...kept.images] };
    this.#config = { ...after, source };
    log.info(`read ${file} again: ${summary(plan)}`);
    const [error] = kept.errors;
    if (error === undefined) return;
    const what = `${error.message}; all else of ${file} is as it says`;
    throw new SluiceError(what, error.errno, error.exitCode, error);
  }

  /** Images that cannot go now go with the next reload. */
  async #detachLast(
    images: readonly ImageConfig[],
    orders: Obedient,
    warn: Warn,
  ): Promise<{ images: ImageConfig[]; errors: SluiceError[] }> {
    const kept = { images: [] as ImageConfig[], errors: [] as SluiceError[] };
    for (const image of images) {
      try {
        await detach(image, orders, warn);
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error;
        kept.images.push(image);
        kept.errors.push(error);
      }
    }
    return kept;
  }
}

function summary({ first, come, last }: ImagePlan): string {
  const names = (images: readonly ImageConfig[]): string =>
    images.map(({ name }) => name).join(', ') || 'none';
  return `images that came: ${names(come)}; that were to go: ${names([...first, ...last])}`;
}

/** Takes steps back, the last one first. @returns the error, with what could not be taken back */
async function undone(error: unknown, undos: readonly Undo[]): Promise<unknown> {
  const failed: string[] = [];
  for (const undo of undos.toReversed()) {
    await undo().catch((why: Error) => failed.push(why.message));
  }
  if (!(error instanceof SluiceError) || failed.length === 0) return error;
  const what = `${error.message}; and what was done before could not be taken back: `;
  return new SluiceError(what + failed.join('; '), error.errno, EXIT_FAILED, error);
}

function checkFixed(before: MountConfig, after: MountConfig, file: string): void {
  const changed = Object.entries(FIXED).flatMap(([key, name]) => {
    const field = key as keyof MountConfig;
    return isDeepStrictEqual(before[field], after[field]) ? [] : [name];
  });
  const ofGroups = [...before.groups, ...after.groups].flatMap(({ path }) => {
    const [was, is] = [before, after].map(({ groups }) => groups.find((one) => one.path === path));
    return isDeepStrictEqual(was?.shared, is?.shared) ? [] : [`shared of ${path || '/'}`];
  });
  changed.push(...new Set(ofGroups));
  if (changed.length === 0) return;
  const what = `${changed.join(', ')}: cannot change while the files are mounted`;
  throw refuse(`${file}: ${what}; leave it as it was, or umount and mount again`, 'EBUSY');
}

/** @param disks the images that are there, whoever attached them */
function planImages(
  before: readonly ImageConfig[],
  after: readonly ImageConfig[],
  disks: OpenImages['disks'],
): ImagePlan {
  const isIn = (image: ImageConfig, list: readonly ImageConfig[]): boolean =>
    list.some((one) => isSameImage(one, image));
  const isThere = (name: string): boolean => disks.some((disk) => disk.name === name);
  const gone = before.filter((image) => !isIn(image, after) && isThere(image.name));
  const come = after.filter((image) => {
    if (isIn(image, before)) return false;
    const goes = gone.some(({ name }) => name === image.name);
    // Somebody has attached it already.
    const file = image.overlay === DISCARD ? image.path : (image.overlay ?? image.path);
    return goes || !disks.some(({ name, path }) => name === image.name && path === file);
  });
  const isInTheWay = (image: ImageConfig): boolean =>
    come.some(({ name, path }) => name === image.name || path === image.path);
  return {
    first: gone.filter(isInTheWay),
    come,
    last: gone.filter((image) => !isInTheWay(image)),
  };
}

/** But for its faults, which change while it is there. */
function isSameImage(
  { faults: _one, ...one }: ImageConfig,
  { faults: _other, ...other }: ImageConfig,
): boolean {
  return isDeepStrictEqual(one, other);
}

/** The images of both configurations whose faults are other ones, with those and the ones before. */
function changedFaults(
  before: MountConfig,
  after: MountConfig,
  disks: OpenImages['disks'],
): { name: string; faults: string; was: string }[] {
  return after.source!.images.flatMap((image) => {
    const old = before.source!.images.find((one) => isSameImage(one, image));
    const { name, faults = NO_FAULTS } = image;
    const { faults: was = NO_FAULTS } = old ?? image;
    const isThere = disks.some((disk) => disk.name === name);
    return faults === was || !isThere ? [] : [{ name, faults, was }];
  });
}

/** Refuses what is there from the start or not at all. */
function checkImages(
  { first, come, last }: ImagePlan,
  before: MountConfig,
  after: MountConfig,
  file: string,
): void {
  for (const { name } of [...first, ...come, ...last]) {
    if (![...before.passthrough, ...after.passthrough].includes(name)) continue;
    const what = 'an image that is passed through cannot come or go while the files are mounted';
    const message = `${file}: images: ${name}: ${what}`;
    throw refuse(`${message}; umount and mount again`, 'EOPNOTSUPP');
  }
}

/** @throws SluiceError as an order to detach does */
async function detach(image: ImageConfig, orders: Obedient, warn: Warn): Promise<void> {
  try {
    await orders.obey(detachOrder(image), warn);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.errno !== 'EBUSY') throw error;
    throw withRemedy(error, 'close it, and reload again');
  }
}

const detachOrder = ({ name }: ImageConfig): ImageOrder => ({ kind: 'detach', name, force: false });

/** @param groups whose assignments count; null: none, the groups are changed later */
function attachOrder(asked: ImageConfig, groups: MountConfig | null): ImageOrder {
  const { own, overlay, ...image } = asked;
  const untrusted = image.named?.untrusted ?? false;
  const isOf = ({ member }: Assignment): boolean => {
    const name = parseMember(member);
    return name.kind === 'image' && isOfImage(name.name, image.name);
  };
  const assignments = groups?.assignments.filter(isOf) ?? [];
  const options = { ...own, untrusted };
  return { kind: 'attach', image, overlay: overlay ?? null, options, assignments };
}

/** Names of users and groups of users as their numbers, which is what members have. */
function numbered(config: MountConfig): MountConfig {
  const assignments = config.assignments.map(({ member, group }) => {
    const name = parseMember(member);
    const id = name.kind === 'named' ? idOf(name.of, name.name) : undefined;
    if (name.kind !== 'named' || id === undefined) return { member, group };
    return { member: formatMember({ kind: name.of, id }), group };
  });
  return { ...config, assignments };
}
