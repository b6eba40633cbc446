import { checkNameClash } from '../cli/image-argument.js';
import { buildMountConfig } from '../cli/mount-config.js';
import { MOUNT_OPTIONS, type MountArguments } from '../cli/mount-options.js';
import { checkPassthrough } from '../cli/passthrough-option.js';
import { groupPath, namedGroup } from '../control/group-name.js';
import { parseSettings } from '../control/json.js';
import { parseMember } from '../control/members.js';
import type { Assignment, GroupConfig } from '../control/set-up-groups.js';
import { checkMountpoint, checkMountRights } from '../fuse/mount-point.js';
import { BodyChecker } from '../server/api-checker.js';
import type { BodyName } from '../server/api-schema.js';
import { orderOfRequest } from '../server/attach-request.js';
import { checkImages } from '../server/check-images.js';
import type { ImageConfig, MountConfig } from '../server/config.js';
import { launch } from '../server/launch.js';
import { addOverlays } from '../server/overlay.js';
import { naming, refuse, SluiceError } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import { connectTo, requestOf, textOf } from './client.js';
import type { ImageRequest, Mount, MountOptions, Settings } from './types.js';

/** Words of `sluice mount` that have another place here, or no sense. */
const NOT_HERE: ReadonlySet<string> = new Set([
  ...['config', 'group', 'assign', 'empty', 'foreground'],
  ...['format', 'snapshot', 'data-file', 'backing-file', 'overlay', 'cache-file', 'faults'],
]);

/** Mounts as `sluice mount` does, with the same checks. */
export async function mountImages(
  images: string | ImageRequest | readonly (string | ImageRequest)[],
  options: MountOptions,
): Promise<Mount> {
  const asked = configOf([images].flat() as (string | ImageRequest)[], options);
  const uid = process.geteuid!();
  checkMountRights(uid, process.env.PATH);
  inOwnWords(() => checkPassthrough(asked, uid === 0));
  const config = { ...asked, mountpoint: checkMountpoint(asked.mountpoint) };
  const warnings: string[] = [];
  let discard = (): void => {};
  const prepare = async (): Promise<MountConfig> => {
    const overlaid = addOverlays(config);
    discard = overlaid.discard;
    checkImages(overlaid.config, (text) => warnings.push(text));
    return overlaid.config;
  };
  try {
    const notice = await launch(config, undefined, undefined, undefined, prepare);
    if (notice !== undefined) warnings.push(notice);
  } catch (error) {
    discard();
    throw error;
  }
  return connectTo(config.mountpoint, warnings);
}

/**
 * The configuration of a mount. Pure: no file is looked at.
 * @throws SluiceError EINVAL and others, exit code 2; a value of a wrong type is EINVAL, too
 */
export function configOf(
  images: readonly (string | ImageRequest)[],
  given: MountOptions,
): MountConfig {
  // A program without types may give anything, or nothing.
  const { groups = {}, assign = {}, ...options } = given ?? {};
  const { mountpoint } = options;
  if (typeof mountpoint !== 'string') throw refuse('mountpoint: name an existing directory');
  const words = { paths: [mountpoint], empty: true, ...wordsOf(options) } as MountArguments;
  // Passthrough names images, which have their own place here.
  const { passthrough = [], ...others } = words;
  const config = inOwnWords(() => buildMountConfig(others, process.cwd()));
  const orders = images.map((image) => imageOf(image, config.untrusted));
  const all = orders.map(({ image }) => image);
  checkNameClash(all);
  const assigned = entriesOf('assign', assign).map(([member, group]): Assignment => {
    naming(`assign.${member}`, () => parseMember(member));
    return { member, group: groupPath(textOf(`assign.${member}`, group)) };
  });
  return {
    ...config,
    images: all,
    passthrough: [...new Set(passthrough)],
    groups: entriesOf('groups', groups).map(groupOf),
    assignments: [...assigned, ...orders.flatMap(({ assignments }) => assignments)],
  };
}

function entriesOf<T>(key: string, value: Readonly<Record<string, T>>): [string, T][] {
  if (typeof value === 'object' && value !== null) return Object.entries(value);
  throw refuse(`${key}: expected an object`);
}

/** Errors name an option as programs have it: `pollUs` and not `--poll-us`. */
function inOwnWords<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { message, errno, exitCode } = error;
    const own = message.replace(/^--([a-z-]+)/, (_, word: string) => keyOf(word));
    throw new SluiceError(own, errno, exitCode, error);
  }
}

function imageOf(
  image: string | ImageRequest,
  untrusted: boolean,
): { image: ImageConfig; assignments: Assignment[] } {
  const request = { untrusted, ...requestOf(image) };
  check('attach', request, 'an image');
  const order = orderOfRequest(request);
  const { untrusted: _, ...own } = order.options;
  return {
    image: {
      ...order.image,
      ...(order.overlay !== null && { overlay: order.overlay }),
      ...(Object.keys(own).length > 0 && { own }),
    },
    assignments: order.assignments,
  };
}

let checker: BodyChecker | null = null;

function check(name: BodyName, value: unknown, what: string): void {
  checker ??= new BodyChecker();
  checker.check(name, value, what);
}

function groupOf([asked, settings]: [string, Settings]): GroupConfig {
  const path = namedGroup(asked);
  check('settings', settings, `groups.${asked}`);
  return { path, changes: naming(`groups.${asked}`, () => parseSettings(settings, path === '')) };
}

/** Options by the words of the command line. */
function wordsOf({ mountpoint: _, ...options }: MountOptions): Record<string, unknown> {
  const entries = Object.entries(options).flatMap(([key, value]) => {
    const word = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const isKnown = Object.hasOwn(MOUNT_OPTIONS, word) && !key.includes('-');
    if (!isKnown || NOT_HERE.has(word))
      throw refuse(`${key}: there is no such option${hintFor(key)}`);
    if (value === undefined) return [];
    return [[word, valueFor(key, word as keyof typeof MOUNT_OPTIONS, value)]];
  });
  return Object.fromEntries(entries);
}

function keyOf(word: string): string {
  return word.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

const OF_IMAGES = [
  ...['format', 'snapshot', 'overlay', 'cacheFile', 'faults'],
  ...['dataFiles', 'backingFiles', 'name'],
];
const KEYS = [
  ...['mountpoint', 'groups', 'assign'],
  ...Object.keys(MOUNT_OPTIONS)
    .filter((word) => !NOT_HERE.has(word))
    .map(keyOf),
];

function hintFor(key: string): string {
  if (OF_IMAGES.includes(key)) return `; images have it: { path, ${key} }`;
  const hint = didYouMean(key, KEYS);
  return hint === null ? '' : `; ${hint}`;
}

function valueFor(key: string, word: keyof typeof MOUNT_OPTIONS, value: unknown): unknown {
  const option: { type: string; repeatable?: true } = MOUNT_OPTIONS[word];
  if (option.type === 'boolean') {
    if (typeof value === 'boolean') return value;
    throw refuse(`${key}: expected true or false`);
  }
  // As a number, 0660 would be 432.
  const isText = (one: unknown): boolean =>
    typeof one === 'string' || (typeof one === 'number' && key !== 'mode');
  if (option.repeatable !== true && isText(value)) return String(value);
  if (option.repeatable === true && Array.isArray(value) && value.every(isText)) {
    return value.map(String);
  }
  throw refuse(`${key}: expected ${option.repeatable ? 'a list of texts' : 'a text'}`);
}
