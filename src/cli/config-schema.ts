import { ALIASES } from '../control/aliases.js';
import { SETTINGS } from '../control/settings.js';
import { SHARED_WORDS } from '../lease/words.js';
import type { Option } from './declaration.js';
import { ATTACH_OPTIONS, MOUNT_OPTIONS, OF_IMAGES } from './mount-options.js';

/** A part of a JSON schema, draft 7. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** Options that say how the command runs, or what the other parts of a file say. */
const NOT_IN_FILES: ReadonlySet<string> = new Set<string>([
  ...['config', 'group', 'assign', 'faults', 'empty', 'foreground'],
  ...OF_IMAGES,
]);

type OptionTable = Readonly<Record<string, Option>>;

function only(options: OptionTable, isIn: (name: string) => boolean): OptionTable {
  return Object.fromEntries(Object.entries(options).filter(([name]) => isIn(name)));
}

/** What `options:` may have: the words of `sluice mount` about the whole mount. */
export const FILE_OPTIONS = only(MOUNT_OPTIONS, (name) => !NOT_IN_FILES.has(name));

/** What an image may have besides its path: the words of `sluice attach`. */
export const FILE_IMAGE_OPTIONS: OptionTable = {
  ...only(ATTACH_OPTIONS, (name) => name !== 'assign'),
  passthrough: { type: 'boolean', describe: MOUNT_OPTIONS.passthrough.describe.slice(6) },
};

/** A word or a number: `10M`, `1000`. */
const TEXT: readonly string[] = ['string', 'number'];

function schemaOf({ type, describe, repeatable }: Option): Schema {
  if (type === 'boolean') return { type: 'boolean', description: describe };
  if (!repeatable) return { type: TEXT, description: describe };
  return { type: ['array', ...TEXT], items: { type: TEXT }, description: describe };
}

function mapping(properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema {
  return { type: 'object', properties, additionalProperties: false, ...more };
}

function named(each: Schema, description: string): Schema {
  return { type: ['object', 'null'], additionalProperties: each, description };
}

function optionsOf(options: OptionTable): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, schemaOf(option)]),
  );
}

/** The keys of `sluice set`, apart from members. */
function settingsOf(): Record<string, Schema> {
  const settings = SETTINGS.filter(({ part }) => part !== 'members');
  const own = settings.map(({ key, rootOnly }) => {
    const description = rootOnly ? 'of the root group, /, only' : 'as sluice set takes it';
    return [key, { type: TEXT, description }];
  });
  const aliases = ALIASES.map((key) => [
    key,
    { type: TEXT, description: 'as libvirt and Cinder have it' },
  ]);
  return Object.fromEntries([...own, ...aliases]);
}

/** How hosts share the limits of a group. */
function sharedOf(): Record<string, Schema> {
  const schema = { type: TEXT, description: 'as --group has it; see docs/shared-groups.md' };
  return Object.fromEntries(SHARED_WORDS.map((word) => [word, schema]));
}

const MEMBERS: Schema = {
  type: 'array',
  items: { type: TEXT },
  description: 'names of images and partitions, or uid:, gid:, pid:, cgroup:',
};

/** The schema of a configuration file. docs/config.schema.json is this; a test compares them. */
export function configSchema(): Schema {
  const path = { type: TEXT, description: 'of the image; from the folder of this file' };
  const image = mapping(
    { path, ...optionsOf(FILE_IMAGE_OPTIONS) },
    { type: ['object', ...TEXT], required: ['path'] },
  );
  const optional: Schema = { type: ['object', 'null'] };
  const profile = { type: TEXT, description: 'a name of profiles; keys of the group itself win' };
  const own = { ...settingsOf(), ...sharedOf(), profile, members: MEMBERS };
  const group = mapping(own, optional);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration of a mount of Sluice',
    ...mapping({
      mountpoint: { type: TEXT, description: 'the folder to mount at' },
      images: named(image, 'images by their names: a path, or a mapping with path'),
      profiles: named(mapping(settingsOf(), optional), 'sets of keys that groups refer to'),
      groups: named(group, 'groups by their paths; / is the root group'),
      options: mapping(optionsOf(FILE_OPTIONS), optional),
    }),
  };
}
