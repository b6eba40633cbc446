import { TextDecoder } from 'node:util';
import { malformed, unsupported } from '../refusal.js';
import { VMDK_SECTOR_BYTES } from './abi.js';

/** The text that describes a disk of VMware: Virtual Disk Format 1.1, "The Descriptor File". */
export interface Descriptor {
  /** `monolithicSparse` and so on. What the extents are is what counts. */
  readonly createType: string;
  /** Changes whenever the disk is written after it was opened; null if there is none. */
  readonly cid: number | null;
  /** Null if the disk has no parent. */
  readonly parent: { readonly cid: number; readonly name: string } | null;
  readonly extents: readonly ExtentLine[];
  /** A file lists the blocks that have changed, for backups. */
  readonly tracksChanges: boolean;
}

/** A line for a part of the disk. */
export interface ExtentLine {
  readonly access: 'RW' | 'RDONLY' | 'NOACCESS';
  /** Length on the disk, bytes. */
  readonly bytes: number;
  readonly type: string;
  /** Null for a part that no file has. */
  readonly name: string | null;
  /** Where it begins in the file, bytes. */
  readonly offset: number;
}

/** Longer ones are no descriptors: each extent takes a line. */
export const DESCRIPTOR_BYTES_MAX = 1 << 20;
/** A disk of 8 TiB in pieces of 2 GB. Each takes two descriptors of the process. */
const EXTENTS_MAX = 4096;
const NO_PARENT = 0xffffffff;
const DESCRIPTOR_VERSION_MAX = 3;

const EXTENT =
  /^(RW|RDONLY|NOACCESS)[ \t]+([0-9]+)[ \t]+([A-Z]+)(?:[ \t]+"([^"]*)"(?:[ \t]+([0-9]+))?.*)?$/;
const SETTING = /^([\w.]+)[ \t]*=[ \t]*"?(.*?)"?$/;

/** Do the first bytes of a file look like a descriptor: comments and empty lines, then the version? */
export function isDescriptor(head: Uint8Array): boolean {
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith('# Disk DescriptorFile')) return true;
  return /^(?:(?:#[^\n]*|[ \t]*)\r?\n)*version[ \t]*=[ \t]*[0-9]+[ \t]*\r?\n/.test(text);
}

/**
 * Parses a descriptor.
 *
 * @param path Of the file with it, for messages.
 * @param bytes Zeros may follow the text.
 * @throws SluiceError exit code 3
 */
export function parseDescriptor(path: string, bytes: Uint8Array): Descriptor {
  const lines = linesOf(bytes);
  const settings = new Map<string, string>();
  const extents: ExtentLine[] = [];
  for (const line of lines) {
    const extent = EXTENT.exec(line);
    if (extent !== null) extents.push(toExtent(path, line, extent));
    else {
      const [, key, value] = SETTING.exec(line) ?? [];
      if (key !== undefined && !settings.has(key)) settings.set(key, value!);
    }
  }
  const version = Number(settings.get('version'));
  if (settings.has('encryption.keySafe')) throw unsupported(path, 'the disk is encrypted');
  if (!Number.isInteger(version)) throw malformed(path, 'it has no descriptor of a disk');
  if (version < 1 || version > DESCRIPTOR_VERSION_MAX) {
    throw unsupported(path, `its descriptor is of version ${version}`);
  }
  if (extents.length > EXTENTS_MAX) {
    throw unsupported(path, `the disk is in more than ${EXTENTS_MAX} extents`);
  }
  return {
    createType: settings.get('createType') ?? 'unknown',
    cid: toCid(path, settings, 'CID'),
    parent: toParent(path, settings),
    extents: extents.filter((one) => one.bytes > 0),
    tracksChanges: settings.has('changeTrackPath'),
  };
}

/** The lines that say something, in the encoding that the text itself names. */
function linesOf(bytes: Uint8Array): string[] {
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  const encoding = /^encoding[ \t]*=[ \t]*"?([\w-]+)/m.exec(Buffer.from(text).toString('latin1'));
  const lines = decoderOf(encoding?.[1]).decode(text).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

/** UTF-8 where the encoding is not told, or unknown. */
function decoderOf(encoding: string | undefined): TextDecoder {
  try {
    return new TextDecoder(encoding);
  } catch {
    return new TextDecoder();
  }
}

function toExtent(path: string, line: string, [, access, ...words]: RegExpExecArray): ExtentLine {
  const [sectors, type, name, offset = '0'] = words;
  const bytes = Number(sectors) * VMDK_SECTOR_BYTES;
  const from = Number(offset) * VMDK_SECTOR_BYTES;
  if (!Number.isSafeInteger(bytes + from)) {
    throw malformed(path, `its extent ${JSON.stringify(line)} is larger than any disk`);
  }
  return {
    access: access as ExtentLine['access'],
    bytes,
    type: type!,
    name: name ?? null,
    offset: from,
  };
}

function toCid(path: string, settings: ReadonlyMap<string, string>, key: string): number | null {
  const text = settings.get(key);
  if (text === undefined) return null;
  if (/^[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16);
  throw malformed(path, `its ${key} ${JSON.stringify(text)} is no number of 32 bits`);
}

function toParent(path: string, settings: ReadonlyMap<string, string>): Descriptor['parent'] {
  const cid = toCid(path, settings, 'parentCID') ?? NO_PARENT;
  const name = settings.get('parentFileNameHint') ?? '';
  if (cid === NO_PARENT && name === '') return null;
  if (name === '')
    throw malformed(path, `it has a parent, ${formatCid(cid)}, and does not name it`);
  if (cid !== NO_PARENT) return { cid, name };
  const shown = JSON.stringify(name);
  throw malformed(path, `it names the parent ${shown}, and its parentCID says that it has none`);
}

/** A content ID as descriptors have it. */
export function formatCid(cid: number): string {
  return cid.toString(16).padStart(8, '0');
}
