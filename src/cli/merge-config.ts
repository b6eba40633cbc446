import { parseFaults } from '../control/faults.js';
import { formatMember, parseMember } from '../control/members.js';
import type { Assignment, GroupConfig } from '../control/set-up-groups.js';
import { type Changes, getValue, mergeChanges, SETTINGS } from '../control/settings.js';
import { DEPTH } from '../control/values.js';
import type { ImageConfig, ImageOptions } from '../server/config.js';
import { naming, refuse } from '../util/errors.js';
import type { Given } from './declaration.js';
import type { MOUNT_OPTIONS, MountArguments } from './mount-options.js';

/** An image of a configuration file. */
export interface FileImage {
  image: ImageConfig;
  /** Missing: as the mount has it. */
  untrusted?: boolean;
  passthrough: boolean;
}

/** A configuration file, its values checked one by one. Paths are absolute. */
export interface FileConfig {
  file: string;
  mountpoint: string | null;
  options: Given<typeof MOUNT_OPTIONS>;
  images: FileImage[];
  groups: GroupConfig[];
  assignments: Assignment[];
}

/** Takes the sentences about what wins. */
type Say = (sentence: string) => void;

/** Options of all images, and what an image has for itself in their place. */
const OF_ALL = [
  ['read-only', 'readOnly'],
  ['growable', 'growable'],
  ['direct', 'direct'],
  ['metadata-cache', 'metadataCache'],
  ['partitions', 'partitions'],
  ['sector-size', 'partitions'],
] as const;

/** The options of the command line, and those of the file that it does not give. */
export function mergeOptions(args: MountArguments, file: FileConfig, say: Say): MountArguments {
  const given = args as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(file.options)) {
    const own = given[name];
    if (own === undefined || own === value || Array.isArray(value)) continue;
    const option = typeof own === 'boolean' ? flag(name, own) : `--${name} ${own}`;
    say(`${option} wins over ${name}: ${value} in ${file.file}`);
  }
  const words = [...(file.options.o ?? []), ...(args.o ?? [])];
  const passthrough = file.images.filter((one) => one.passthrough).map(({ image }) => image.name);
  return {
    ...file.options,
    ...args,
    o: words,
    passthrough: [...passthrough, ...(args.passthrough ?? [])],
  };
}

const flag = (name: string, value: boolean): string => `--${value ? '' : 'no-'}${name}`;

/** The images of the file, then those of the command line. One of the same name there wins. */
export function mergeImages(
  given: readonly ImageConfig[],
  args: MountArguments,
  file: FileConfig,
  say: Say,
): ImageConfig[] {
  const left = file.images.filter(({ image: { name, path } }) => {
    const winner = given.find((one) => one.name === name);
    if (winner === undefined) return true;
    if (winner.path !== path) say(`${name}=${winner.path} wins over ${path} in ${file.file}`);
    return false;
  });
  return [...left.map((one) => mergeImage(one, args, file, say)), ...given];
}

/** What the command line says of all images wins over what the file says of one. */
function mergeImage(
  { image, untrusted }: FileImage,
  args: MountArguments,
  file: FileConfig,
  say: Say,
): ImageConfig {
  const own: Record<string, unknown> = { ...image.own };
  for (const [option, field] of OF_ALL) {
    if (args[option] === undefined || own[field] === undefined) continue;
    say(`--${option} wins over what ${file.file} has for ${image.name}`);
    delete own[field];
  }
  const isUntrusted = args.untrusted ?? untrusted ?? file.options.untrusted ?? false;
  const { own: _, ...rest } = image;
  return {
    ...rest,
    named: { dataFiles: [], backingFiles: [], ...image.named, untrusted: isUntrusted },
    ...(Object.keys(own).length > 0 && { own: own as ImageOptions }),
  };
}

/** The images with the faults that the command line wants. */
export function withFaults(
  images: readonly ImageConfig[],
  words: readonly string[],
  file: FileConfig | null,
  say: Say,
): ImageConfig[] {
  const wanted = new Map<string, string>();
  for (const word of words) {
    const { name, faults } = parseFaultsOption(word);
    if (wanted.has(name)) throw refuse(`--faults ${word}: the faults of ${name} are given twice`);
    wanted.set(name, faults);
    if (images.some((image) => image.name === name)) continue;
    const known = images.map((image) => image.name).join(', ') || 'none';
    throw refuse(`--faults ${word}: no image is named "${name}"; images: ${known}`, 'ENOENT');
  }
  return images.map((image) => {
    const faults = wanted.get(image.name);
    if (faults === undefined) return image;
    if (image.faults !== undefined && image.faults !== faults) {
      say(`--faults ${image.name}:${faults} wins over ${image.faults} in ${file?.file}`);
    }
    return { ...image, faults };
  });
}

/** Parses `NAME:KEY=VALUE,...` of `--faults`. The last colon splits: words of faults have none. */
function parseFaultsOption(text: string): { name: string; faults: string } {
  const colon = text.lastIndexOf(':');
  const [name, faults] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)];
  if (name === '')
    throw refuse(`--faults ${text}: write NAME:KEY=VALUE, such as disk:read.error=1%`);
  naming(`--faults ${text}`, () => parseFaults(faults));
  return { name, faults };
}

/**
 * The groups of both; of a group that is in both, each key of the command line wins.
 *
 * @param depth `--depth`, which is a key of the root group too
 */
export function mergeGroups(
  words: readonly GroupConfig[],
  depth: string | undefined,
  file: FileConfig,
  say: Say,
): GroupConfig[] {
  const isInFile = file.groups.some(({ path, changes }) => path === '' && changes.depth);
  const isInWords = words.some(({ path }) => path === '');
  const deep: Changes = depth === undefined ? {} : { depth: DEPTH.parse(depth, depth) };
  const root = { path: '', changes: deep };
  const all = isInFile && !isInWords ? [...words, root] : words;
  // What --group says of the root group counts more, as without a file.
  const given = all.map((one) =>
    isInFile && one.path === '' ? { ...one, changes: mergeChanges(deep, one.changes) } : one,
  );
  const others = given.filter(({ path }) => !file.groups.some((one) => one.path === path));
  const merged = file.groups.map((group) => {
    const over = given.find(({ path }) => path === group.path);
    return over === undefined ? group : mergeGroup(group, over, file, say);
  });
  return [...merged, ...others];
}

function mergeGroup(
  { path, changes, shared: before }: GroupConfig,
  { changes: over, shared = before }: GroupConfig,
  { file }: FileConfig,
  say: Say,
): GroupConfig {
  for (const setting of SETTINGS) {
    const [value, before] = [getValue(over, setting), getValue(changes, setting)];
    if (value === undefined || before === undefined || before === value) continue;
    const [now, then] = [value, before].map((one) => setting.type.format(one));
    say(`--group ${path || '/'}: ${setting.key}=${now} wins over ${then} in ${file}`);
  }
  const merged = { path, changes: mergeChanges(changes, over) };
  return shared === undefined ? merged : { ...merged, shared };
}

/** The assignments of both; the command line's wins. */
export function mergeAssignments(
  given: readonly Assignment[],
  file: FileConfig,
  say: Say,
): Assignment[] {
  const keyOf = ({ member }: Assignment): string => formatMember(parseMember(member));
  const left = file.assignments.filter((one) => {
    const winner = given.find((other) => keyOf(other) === keyOf(one));
    if (winner === undefined) return true;
    if (winner.group !== one.group) {
      const words = `--assign ${winner.member}=${winner.group || '/'}`;
      say(`${words} wins over ${one.group || '/'} in ${file.file}`);
    }
    return false;
  });
  return [...left, ...given];
}
