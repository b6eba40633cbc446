import type { Assignment } from '../control/set-up-groups.js';
import { METADATA_CACHE_MAX, METADATA_CACHE_MIN } from '../image/image-config.js';
import { isNbdUri } from '../nbd/uri.js';
import { SECTOR_SIZES } from '../partitions/read-table.js';
import { refuse } from '../util/errors.js';
import {
  DISCARD,
  type ImageConfig,
  type ImageOptions,
  OVERLAY_ACTIONS,
  type OverlayAction,
} from './config.js';

/** Options of an image that comes later; what is missing is as the mount has it. */
export type AttachOptions = ImageOptions & {
  /** Absent in `named`: as the mount has it. */
  untrusted?: boolean;
};

/** What is asked of the images of a mount that is served. Plain data, as JSON too. */
export type ImageOrder =
  | {
      kind: 'attach';
      image: ImageConfig;
      /** Absolute path, or DISCARD; null: none. */
      overlay: string | null;
      options: AttachOptions;
      assignments: Assignment[];
    }
  | { kind: 'detach'; name: string; force: boolean }
  /** `size` in bytes; null: that of its file. */
  | { kind: 'resize'; name: string; size: number | null }
  /** `faults` as `parseFaults` takes them. */
  | { kind: 'faults'; name: string; faults: string }
  /** What becomes of the writes of its overlay. */
  | { kind: 'overlay'; name: string; action: OverlayAction }
  /** Read the configuration file again, and make what is different. */
  | { kind: 'reload' };

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
/** A name of a file, whatever the command line makes of it. */
const isName: Check = (value) =>
  typeof value === 'string' && /^[^./\0][^/\0]*$/u.test(value) && Buffer.byteLength(value) <= 251;
const isFlag: Check = (value) => typeof value === 'boolean';
const isNumber: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isCache: Check = (value) =>
  isNumber(value) &&
  (value as number) >= METADATA_CACHE_MIN &&
  (value as number) <= METADATA_CACHE_MAX;
const isSector: Check = (value) => SECTOR_SIZES.includes(value as number);
const isPath: Check = (value) => isText(value) && (value as string).startsWith('/');
/** Of an image: a path, or the URI of an export of an NBD server. */
const isPlace: Check = (value) => isPath(value) || (isText(value) && isNbdUri(value as string));
const isOverlay: Check = (value) => value === DISCARD || isPath(value);
const isAction: Check = (value) => OVERLAY_ACTIONS.includes(value as OverlayAction);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null) return false;
    const record = value as Record<string, unknown>;
    const isKnown = Object.keys(record).every((key) => Object.hasOwn(fields, key));
    return isKnown && Object.entries(fields).every(([key, check]) => check(record[key]));
  };

const NAMED = shape({ dataFiles: list(isPath), backingFiles: list(isPlace), untrusted: isFlag });
const IMAGE = shape({
  ...{ name: isName, path: isPlace, format: isText, backingFormats: list(isText) },
  ...{ snapshot: orNull(isText), named: maybe(NAMED), faults: maybe(isText) },
  cacheFile: maybe(isPath),
});
const OPTIONS = shape({
  ...{ readOnly: maybe(isFlag), growable: maybe(isFlag), direct: maybe(isFlag) },
  ...{ metadataCache: maybe(isCache), untrusted: maybe(isFlag) },
  partitions: maybe(orNull(shape({ sectorSize: orNull(isSector) }))),
});
const ASSIGNMENT = shape({ member: isText, group: isText });
const is =
  (word: string): Check =>
  (value) =>
    value === word;

/** The orders. What does not fit one of them exactly is refused. */
const ORDERS: readonly Check[] = [
  shape({
    ...{ kind: is('attach'), image: IMAGE, overlay: orNull(isOverlay), options: OPTIONS },
    assignments: list(ASSIGNMENT),
  }),
  shape({ kind: is('detach'), name: isText, force: isFlag }),
  shape({ kind: is('resize'), name: isText, size: orNull(isNumber) }),
  shape({ kind: is('faults'), name: isText, faults: isText }),
  shape({ kind: is('overlay'), name: isText, action: isAction }),
  shape({ kind: is('reload') }),
];

/** An order with the key of the daemon, as it is written to `.groups/images`. */
export function formatOrder(key: string, order: ImageOrder): string {
  return JSON.stringify({ key, order });
}

/** @throws SluiceError EINVAL, exit code 2 */
export function parseOrder(text: string): { key: string; order: ImageOrder } {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    throw refuse('not an order; use sluice attach and sluice detach');
  }
  const isOrder: Check = (value) => ORDERS.some((check) => check(value));
  if (shape({ key: isText, order: isOrder })(written)) return written as never;
  throw refuse('not an order of this version; use sluice attach and sluice detach of this version');
}
