import { ALIASES } from '../control/aliases.js';
import { SETTINGS } from '../control/settings.js';
import { formats } from '../image/formats.js';
import { SECTOR_SIZES } from '../partitions/read-table.js';
import { DISCARD, OVERLAY_ACTIONS } from './config.js';

// The bodies of requests over the socket, as JSON Schema (draft 7). docs/api.md tells their meaning.

const SETTING = { type: ['string', 'number'] } as const;

const SEVERAL = { type: 'array', items: { type: 'string' } } as const;

/** Settings by the words of `sluice set`, with the names of libvirt and Cinder. */
const settings = {
  type: 'object',
  properties: Object.fromEntries([
    ...SETTINGS.map(({ key, part }) => {
      return [key, part === 'members' ? { anyOf: [{ type: 'string' }, SEVERAL] } : SETTING];
    }),
    ...ALIASES.map((key) => [key, SETTING]),
  ]),
  additionalProperties: false,
} as const;

/** No path has a NUL in it. */
const PATH = { type: 'string', pattern: '^/[^\\0]*$' } as const;
const FLAG = { type: 'boolean' } as const;
const PATHS = { type: 'array', items: PATH } as const;
/** A path, or the URI of an export of an NBD server. */
const PLACE = { type: 'string', pattern: '^(/|nbds?(\\+unix)?:)[^\\0]*$' } as const;
const PLACES = { type: 'array', items: PLACE } as const;
const BYTES = { type: 'integer', minimum: 1 } as const;

/** An image to attach. Options that are not given are those of the mount. */
export interface AttachRequest {
  /** Absolute, as the daemon sees it; or the URI of an export of an NBD server. */
  path: string;
  /** Shown as `NAME.raw`; missing: the name of the file without its ending. */
  name?: string;
  /** Missing: found out. */
  format?: string;
  /** Of backing files, from the top, for those whose overlay does not say. */
  backingFormats?: readonly string[];
  /** ID or name of an internal snapshot. */
  snapshot?: string;
  /** A file that takes the writes, absolute, or `discard`: they are kept as long as the image is attached. */
  overlay?: string;
  /** The file that keeps what is read of an NBD export, absolute. */
  cacheFile?: string;
  readOnly?: boolean;
  growable?: boolean;
  direct?: boolean;
  /** Refuse every file that the image names, but for `dataFiles` and `backingFiles`. */
  untrusted?: boolean;
  dataFiles?: readonly string[];
  backingFiles?: readonly string[];
  /** Bytes. */
  metadataCache?: number;
  /** Show its partitions. */
  partitions?: boolean;
  /** Bytes of a sector of its partition table. */
  sectorSize?: number;
  /** Faults that it is to have: `read.error=1%,write.delay=20ms`. */
  faults?: string;
  /** Groups of the image and its partitions, by their names. */
  assign?: Readonly<Record<string, string>>;
}

/** All bodies by name. */
export function schemas() {
  const format = { enum: formats().map(({ name }) => name) };
  return {
    settings,
    attach: {
      type: 'object',
      properties: {
        path: PLACE,
        name: { type: 'string' },
        format: { enum: ['auto', ...format.enum] },
        backingFormats: { type: 'array', items: format },
        snapshot: { type: 'string', minLength: 1 },
        overlay: { anyOf: [PATH, { const: DISCARD }] },
        cacheFile: PATH,
        ...{ readOnly: FLAG, growable: FLAG, direct: FLAG, untrusted: FLAG },
        ...{ dataFiles: PATHS, backingFiles: PLACES },
        metadataCache: { type: 'integer', minimum: 1 << 20, maximum: 2 ** 30 },
        partitions: FLAG,
        sectorSize: { enum: SECTOR_SIZES },
        faults: { type: 'string', minLength: 1 },
        assign: { type: 'object', additionalProperties: { type: 'string', minLength: 1 } },
      },
      required: ['path'],
      additionalProperties: false,
    },
    faults: {
      type: 'object',
      properties: { faults: { type: 'string', minLength: 1 } },
      required: ['faults'],
      additionalProperties: false,
    },
    overlay: {
      type: 'object',
      properties: { action: { enum: OVERLAY_ACTIONS } },
      required: ['action'],
      additionalProperties: false,
    },
    resize: {
      type: 'object',
      properties: { size: { anyOf: [BYTES, { type: 'null' }] } },
      required: ['size'],
      additionalProperties: false,
    },
  } as const;
}

export type BodyName = keyof ReturnType<typeof schemas>;
