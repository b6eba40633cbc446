import type { GroupState } from '../control/figures.js';
import { settingsJson } from '../control/json.js';
import { isOfImage } from '../control/members.js';
import { escapeName } from '../control/names.js';
import { type MountSettings, newSettings } from '../control/settings.js';
import { METADATA_CACHE_BYTES } from '../image/image-config.js';
import { sharedWords } from '../lease/words.js';
import type { ImageConfig, ImageOptions, MountConfig } from './config.js';

/** A mount as a configuration file has it. */
export interface SavedConfig {
  config: {
    mountpoint: string;
    images: Record<string, object | string>;
    groups: Record<string, object>;
    options: object;
  };
  /** What no file can keep, in sentences. */
  leftOut: string[];
}

type Group = Pick<GroupState, 'path' | 'settings'> & { members: readonly { name: string }[] };

/** The values of a new mount are not written. */
const NBD = { timeoutMs: 30_000, connections: 4 };
const POLL_US = 50;
const INITIAL = settingsJson({ ...newSettings(), depth: 'auto', cost: 'linear' });

/**
 * The running configuration of a mount.
 *
 * @param images those that it has now
 * @param partitions the names of their partitions
 * @param ofRoot settings that only the root group has
 */
export function savedConfig(
  config: MountConfig,
  images: readonly ImageConfig[],
  partitions: readonly string[],
  groups: readonly Group[],
  ofRoot: MountSettings,
): SavedConfig {
  const leftOut: string[] = [];
  const names = new Set(images.map(({ name }) => name));
  const isThere = (name: string): boolean => names.has(name) || partitions.includes(name);
  const isGone = (name: string): boolean =>
    !isThere(name) && images.some((image) => isOfImage(name, image.name));
  const entries = groups.map(({ path, settings, members }) => {
    const { shared } = config.groups.find((one) => one.path === path) ?? {};
    const all = path === '' ? { ...settings, ...ofRoot } : settings;
    const set = Object.entries(settingsJson(all)).filter(([key, value]) => value !== INITIAL[key]);
    const kept = members.flatMap(({ name }) => {
      // Where they are from the start.
      if (path === '' && names.has(name)) return [];
      const why = name.startsWith('pid:')
        ? 'a process is another one after a start'
        : isGone(name)
          ? 'there is no such partition now'
          : null;
      if (why === null) return [escapeName(name)];
      leftOut.push(`the member ${name} of ${path || '/'}: ${why}`);
      return [];
    });
    const keys = { ...Object.fromEntries(set), ...(shared && sharedWords(shared)) };
    return [path || '/', { ...keys, ...(kept.length > 0 && { members: kept }) }];
  });
  return {
    config: {
      mountpoint: config.mountpoint,
      images: Object.fromEntries(images.map((image) => [image.name, imageOf(image, config)])),
      groups: Object.fromEntries(entries),
      options: optionsOf(config),
    },
    leftOut,
  };
}

function imageOf(image: ImageConfig, { untrusted, passthrough }: MountConfig): object | string {
  const { name, path, format, backingFormats, snapshot, named, overlay, own = {} } = image;
  const formats = [format, ...backingFormats].join(',');
  const { dataFiles = [], backingFiles = [] } = named ?? {};
  const isUntrusted = named?.untrusted ?? untrusted;
  const options = given({
    format: formats === 'auto' ? undefined : formats,
    snapshot: snapshot ?? undefined,
    overlay,
    'cache-file': image.cacheFile,
    'data-file': dataFiles.length > 0 ? dataFiles : undefined,
    'backing-file': backingFiles.length > 0 ? backingFiles : undefined,
    untrusted: isUntrusted === untrusted ? undefined : isUntrusted,
    passthrough: passthrough.includes(name) || undefined,
    faults: image.faults,
    ...ofDisk(own, {}),
  });
  return Object.keys(options).length === 0 ? path : { path, ...options };
}

/** Options that an image may have for itself, as far as they are not what `initial` says. */
function ofDisk(own: ImageOptions, initial: ImageOptions): object {
  const { readOnly, growable, direct, metadataCache, partitions } = own;
  const unless = <T>(value: T, other: T): T | undefined => (value === other ? undefined : value);
  const isShown = partitions === undefined ? undefined : partitions !== null;
  return {
    'read-only': unless(readOnly, initial.readOnly),
    growable: unless(growable, initial.growable),
    direct: unless(direct, initial.direct),
    'metadata-cache': unless(metadataCache, initial.metadataCache),
    partitions: unless(isShown, initial.partitions === undefined ? undefined : true),
    'sector-size': partitions?.sectorSize ?? undefined,
  };
}

function optionsOf(config: MountConfig): object {
  const { nbd, metrics, owner, mode, mountOptions, logFile } = config;
  const initial = {
    ...{ readOnly: false, growable: false, direct: true, metadataCache: METADATA_CACHE_BYTES },
    partitions: { sectorSize: null },
  };
  const host = metrics?.host.includes(':') ? `[${metrics.host}]` : metrics?.host;
  return given({
    ...ofDisk(config, initial),
    untrusted: config.untrusted || undefined,
    'nbd-timeout': nbd.timeoutMs === NBD.timeoutMs ? undefined : nbd.timeoutMs / 1000,
    'nbd-connections': nbd.connections === NBD.connections ? undefined : nbd.connections,
    cache: config.cache === 'none' ? undefined : config.cache,
    transport: config.transport === 'auto' ? undefined : config.transport,
    'poll-us': config.pollUs === POLL_US ? undefined : config.pollUs,
    'allow-other': config.allowOther || undefined,
    keeper: config.keeper || undefined,
    owner: owner === null ? undefined : `${owner.uid}:${owner.gid}`,
    mode: mode === null ? undefined : `0${mode.toString(8)}`,
    o: mountOptions.length > 0 ? mountOptions : undefined,
    verbose: config.verbose || undefined,
    metrics: metrics === null ? undefined : `${host}:${metrics.port}`,
    'metrics-write': config.metricsToken ?? undefined,
    log: logFile ?? undefined,
  });
}

/** Without what is not there. */
function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
