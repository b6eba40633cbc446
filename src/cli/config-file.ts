import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isPartOfKey } from '../control/aliases.js';
import { checkNewGroup } from '../control/control.js';
import { parseFaults } from '../control/faults.js';
import { checkGroupName, groupPath, withParents } from '../control/group-name.js';
import { parseMember } from '../control/members.js';
import type { Assignment, GroupConfig } from '../control/set-up-groups.js';
import { type Changes, mergeChanges, SETTINGS } from '../control/settings.js';
import { checkShared } from '../control/shared-limits.js';
import { parseWords } from '../control/text.js';
import { SHARED_WORDS, takeSharedWords } from '../lease/words.js';
import { DISCARD, type ImageConfig } from '../server/config.js';
import { EXIT_FAILED, refuse, SluiceError } from '../util/errors.js';
import { didYouMean } from '../util/nearest.js';
import { checkShape } from './config-check.js';
import { configSchema, FILE_IMAGE_OPTIONS, FILE_OPTIONS } from './config-schema.js';
import { ConfigText, type Path } from './config-text.js';
import type { Given } from './declaration.js';
import { checkAssignments } from './group-option.js';
import { checkNameClash, nameImage } from './image-argument.js';
import { parseChainOptions } from './image-commands.js';
import { imageOptions } from './image-options.js';
import type { FileConfig, FileImage } from './merge-config.js';
import { buildMountConfig } from './mount-config.js';
import type { ATTACH_OPTIONS, MOUNT_OPTIONS } from './mount-options.js';
import { absolutePath, overlayPath } from './working-directory.js';

type Mapping = Readonly<Record<string, unknown>>;
/** Words of an image that are not options of all images. */
interface FileWords {
  overlay?: string;
  'cache-file'?: string;
  faults?: string;
  passthrough?: boolean;
}
type Part = 'images' | 'profiles' | 'groups' | 'options';

/**
 * Reads and checks a configuration file. Paths in it start from its folder.
 *
 * @param path absolute
 * @throws SluiceError exit code 1 for a file that cannot be read, 2 for a fault in it, with its line and column
 */
export function readConfigFile(path: string): FileConfig {
  return readConfigText(path).config;
}

/** A configuration with the text that it comes from, which knows the place of each value. */
export interface ConfigAndText {
  config: FileConfig;
  text: ConfigText;
}

/** The same, for who has more to say about it. */
export function readConfigText(path: string): ConfigAndText {
  return parse(new ConfigText(path, readText(path)), path);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    const known: Record<string, string> = {
      ENOENT: 'no such file',
      EACCES: 'no permission to read it',
      EISDIR: 'a directory; name the configuration file',
    };
    const why = known[code] ?? `cannot be read (${code})`;
    throw new SluiceError(`${path}: ${why}`, code, EXIT_FAILED, error);
  }
}

/** @throws SluiceError EINVAL and others, exit code 2 */
export function parseConfig(file: string, text: string): FileConfig {
  return parse(new ConfigText(file, text), file).config;
}

function parse(config: ConfigText, file: string): ConfigAndText {
  if (config.value === null) throw refuse(`${file}:1:1: the file is empty`);
  checkShape(config, configSchema());
  const parts = config.value as Partial<Record<Part, Mapping | null>>;
  const reader = new Reader(config, dirname(file));
  const options = reader.options(Object.keys(parts.options ?? {}));
  const images = Object.entries(parts.images ?? {}).map(([name, value]) =>
    reader.image(name, value),
  );
  reader.checkClash(images);
  const profiles = new Map(
    Object.entries(parts.profiles ?? {}).map(([name, value]) => {
      return [name, reader.settings(['profiles', name], Object.keys(value ?? {}), true)];
    }),
  );
  const groups = Object.entries(parts.groups ?? {}).map(([name, value]) =>
    reader.group(name, Object.keys(value ?? {}), profiles),
  );
  reader.checkTwice(Object.keys(parts.groups ?? {}));
  const names = images.map(({ image }) => image.name);
  const assignments = reader.assignments(parts.groups ?? {}, names, options.partitions);
  const mountpoint = reader.mountpoint(config.value);
  return { config: { file, mountpoint, options, images, groups, assignments }, text: config };
}

/** Options whose value is a path, from the folder of the file. */
const FILES: ReadonlySet<string> = new Set(['log', 'metrics-write']);

/** Reads the values of a text whose shape has been checked. */
class Reader {
  readonly #text: ConfigText;
  readonly #folder: string;

  constructor(text: ConfigText, folder: string) {
    this.#text = text;
    this.#folder = folder;
  }

  mountpoint(value: unknown): string | null {
    if (!Object.hasOwn(value as object, 'mountpoint')) return null;
    return this.#path(['mountpoint'], this.#folder);
  }

  options(names: readonly string[]): Given<typeof MOUNT_OPTIONS> {
    const options: Record<string, unknown> = {};
    for (const name of names) {
      const path = ['options', name];
      const value = this.#value(path, FILE_OPTIONS[name]!);
      options[name] = FILES.has(name) ? this.#path(path, this.#folder) : value;
      // Each option is checked alone here. Rules between options are checked later, with those of the command line.
      const others = { 'allow-other': true, metrics: '1' };
      const alone = { paths: ['/image', '/mnt'], ...others, [name]: options[name] };
      this.#text.at(path, () => buildMountConfig(alone, this.#folder));
    }
    return options;
  }

  image(name: string, value: unknown): FileImage {
    const path = ['images', name];
    const isMapping = typeof value === 'object';
    const file = this.#text.written(isMapping ? [...path, 'path'] : path);
    const given: Record<string, unknown> = {};
    for (const key of isMapping ? Object.keys(value as object) : []) {
      if (key === 'path') continue;
      given[key] = this.#value([...path, key], FILE_IMAGE_OPTIONS[key]!);
      this.#text.at([...path, key], () => {
        this.#imageOptions({ [key]: given[key] });
        if (key === 'faults') parseFaults(String(given[key]));
      });
    }
    return this.#text.at(path, () => {
      const image = nameImage(name, file, this.#folder);
      const { overlay, 'cache-file': cache, faults, passthrough = false } = given as FileWords;
      const { own, untrusted, chain } = this.#imageOptions(given);
      return {
        image: {
          ...{ ...image, ...chain },
          ...(overlay !== undefined && {
            overlay: overlayPath('the overlay', overlay, this.#folder),
          }),
          ...(cache !== undefined && {
            cacheFile: absolutePath('the cache file', cache, this.#folder),
          }),
          ...(faults !== undefined && { faults }),
          ...(Object.keys(own).length > 0 && { own }),
        },
        ...(untrusted !== undefined && { untrusted }),
        passthrough,
      };
    });
  }

  #imageOptions(given: Given<typeof ATTACH_OPTIONS>) {
    const { untrusted, ...own } = imageOptions(given);
    return { own, untrusted, chain: parseChainOptions(given, this.#folder) };
  }

  checkClash(images: readonly FileImage[]): void {
    for (const [index, { image }] of images.entries()) {
      const before = images.slice(0, index + 1).map((one) => one.image);
      this.#text.at(['images', image.name], () => {
        checkNameClash(before);
        checkFiles(before);
      });
    }
  }

  /** A group, without its members. */
  group(
    name: string,
    keys: readonly string[],
    profiles: ReadonlyMap<string, Changes>,
  ): GroupConfig {
    const path = groupPath(name);
    const place = ['groups', name];
    this.#text.at(place, () => {
      if (name === '') throw refuse("the group's path is empty; / is the root group");
      if (path !== '') path.split('/').forEach(checkGroupName);
    });
    const sharing = keys.filter((key) => SHARED_WORDS.some((word) => word === key));
    const own = keys.filter((key) => ![...sharing, 'members', 'profile'].includes(key));
    const base = keys.includes('profile') ? this.#profile([...place, 'profile'], profiles) : {};
    const changes = mergeChanges(base, this.settings(place, own, path === ''));
    this.#text.at(place, () => {
      if (path !== '') refuseRootOnly(changes);
      checkNewGroup(changes);
    });
    const shared = this.#text.at(place, () => {
      const words = sharing.map((key) => `${key}=${this.#text.written([...place, key])}`);
      return takeSharedWords(words).finish(changes.limits ?? {});
    });
    if (shared === null) return { path, changes };
    this.#checkShared(place, own, path === '', changes);
    return { path, changes, shared };
  }

  /** Refuses what hosts cannot share: at its key, or at the group if a profile or two keys together say it. */
  #checkShared(place: Path, keys: readonly string[], isRoot: boolean, all: Changes): void {
    for (const key of keys.filter((one) => !isPartOfKey(one))) {
      const path = [...place, key];
      this.#text.at(path, () => {
        checkShared(parseWords([`${key}=${this.#text.written(path)}`], isRoot));
      });
    }
    this.#text.at(place, () => checkShared(all));
  }

  #profile(place: Path, profiles: ReadonlyMap<string, Changes>): Changes {
    const name = this.#text.written(place);
    const profile = profiles.get(name);
    if (profile !== undefined) return profile;
    const known = [...profiles.keys()];
    const hint = didYouMean(name, known) ?? `profiles: ${known.join(', ') || 'none'}`;
    throw this.#text.refuse(place, `there is no profile "${name}"; ${hint}`, 'ENOENT');
  }

  /** The settings of a mapping, one by one. */
  settings(place: Path, keys: readonly string[], isRoot: boolean): Changes {
    if (keys.length === 0) return {};
    const words = keys.map((key) => {
      const word = `${key}=${this.#text.written([...place, key])}`;
      const isWhole = !isPartOfKey(key);
      if (isWhole) this.#text.at([...place, key], () => parseWords([word], isRoot));
      return word;
    });
    return this.#text.at(place, () => parseWords(words, isRoot));
  }

  /** Refuses a group that is written in two ways, with slashes around it and without. */
  checkTwice(names: readonly string[]): void {
    const seen = new Set<string>();
    for (const name of names) {
      const path = groupPath(name);
      if (seen.has(path)) throw this.#text.refuseKey(['groups', name], 'the group is given twice');
      seen.add(path);
    }
  }

  assignments(
    groups: Readonly<Record<string, unknown>>,
    images: readonly string[],
    partitions = true,
  ): Assignment[] {
    const paths = withParents(Object.keys(groups).map(groupPath));
    const all: Assignment[] = [];
    for (const [name, value] of Object.entries(groups)) {
      const { members = [] } = (value ?? {}) as { members?: readonly unknown[] };
      for (const index of members.keys()) {
        const place = ['groups', name, 'members', index];
        const assignment = { member: this.#text.written(place), group: groupPath(name) };
        all.push(assignment);
        this.#text.at(place, () => {
          parseMember(assignment.member);
          checkAssignments(all, images, paths, partitions);
        });
      }
    }
    return all;
  }

  #path(path: Path, folder: string): string {
    return this.#text.at(path, () =>
      absolutePath(`${path.at(-1)}`, this.#text.written(path), folder),
    );
  }

  /** The value of an option, as the command line has it. */
  #value(path: Path, option: { type: string; repeatable?: true }): unknown {
    if (option.type === 'boolean') return this.#valueAt(path);
    if (!option.repeatable) return this.#word(path);
    const list = this.#valueAt(path);
    return Array.isArray(list)
      ? list.map((_, index) => this.#word([...path, index]))
      : [this.#word(path)];
  }

  /** Refuses an empty value: most likely somebody forgot it. */
  #word(path: Path): string {
    const word = this.#text.written(path);
    if (word === '') throw this.#text.refuse(path, 'the value is empty');
    return word;
  }

  #valueAt(path: Path): unknown {
    return path.reduce((value, key) => (value as Mapping)[key], this.#text.value);
  }
}

/** What the mount opens for an image itself, by its path; null: a temporary file. */
const ownFile = ({ path, overlay }: ImageConfig): string | null =>
  overlay === DISCARD ? null : (overlay ?? path);

/** Refuses a file that the last image shares with one before it. A mount finds its other names, too. */
function checkFiles(images: readonly ImageConfig[]): void {
  const own = ownFile(images.at(-1)!);
  const other = images.slice(0, -1).find((one) => own !== null && ownFile(one) === own);
  if (other === undefined) return;
  throw refuse(`${own}: is that of ${other.name} already; a file can be mounted once`, 'EBUSY');
}

/** A profile may have what only the root group can have. */
function refuseRootOnly(changes: Changes): void {
  for (const { key, part, rootOnly } of SETTINGS) {
    if (rootOnly && changes[part] !== undefined)
      throw refuse(`${key}: only the root group, /, has it`);
  }
}
