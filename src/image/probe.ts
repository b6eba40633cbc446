import { extname } from 'node:path';
import type { ReadableFile } from '../host/open-file.js';
import { isNbdUri, parseNbdUri } from '../nbd/uri.js';
import { SluiceError } from '../util/errors.js';
import { formats, isFormat } from './formats.js';
import { unsupported } from './refusal.js';

/** Bytes at either end of an image that tell its format: VDI's end at 68, the last 512 are VHD's. */
export const HEAD_BYTES = 512;

/** The bytes at the ends of a file, HEAD_BYTES each, or all if there are fewer. */
export interface Ends {
  head: Uint8Array;
  tail: Uint8Array;
}

export function endsOf(file: ReadableFile): Ends {
  const bytes = Math.min(HEAD_BYTES, file.size);
  return { head: file.read(0, bytes), tail: readTail(file, bytes) };
}

/** A damaged disk is mounted for the bytes that can be read: an end that cannot looks like no format. */
function readTail(file: ReadableFile, bytes: number): Uint8Array {
  try {
    return file.read(file.size - bytes, bytes);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.errno !== 'EIO') throw error;
    return new Uint8Array(bytes);
  }
}

/** The first bytes of formats that cannot be mounted, as text in latin1. */
interface Signature {
  format: string;
  offset: number;
  text: string;
  /** How to make a file of it that can be mounted. */
  way?: string;
}

/** Sources: block/*.c of QEMU; EWF, as EnCase writes it: documentation of libewf. */
const FOREIGN: readonly Signature[] = [
  { format: 'bochs', offset: 0, text: 'Bochs Virtual HD Image' },
  { format: 'nbd-cache', offset: 0, text: 'sluice-nbd-cache' },
  { format: 'ewf', offset: 0, text: 'EVF\t\r\n\xff\0' },
];

/** Endings of names that people give to raw images; so do block devices, which have none. */
const RAW_LIKE: ReadonlySet<string> = new Set([
  '',
  '.bin',
  '.dd',
  '.dsk',
  '.flat',
  '.hdd',
  '.image',
  '.img',
  '.iso',
  '.raw',
]);

/**
 * Name of the format that the ends of a file look like, one of ours or not; null for a raw image. A
 * guest can write any of these to a raw disk, so `--format raw` overrules it.
 */
export function formatOf({ head, tail }: Ends): string | null {
  const known = formats().find((format) => format.probe(head, tail));
  if (known !== undefined) return known.name;
  const text = Buffer.from(head).toString('latin1');
  return FOREIGN.find((one) => text.startsWith(one.text, one.offset))?.format ?? null;
}

/** An export is known by its name, which mostly has no ending. */
function endingOf(path: string): string {
  return extname(isNbdUri(path) ? parseNbdUri(path).exportName : path).toLowerCase();
}

/**
 * The format of an image from its ends. A guest can write any of them to its raw disk, and a
 * header can name any file of the host as backing file: so a raw-like name wins.
 *
 * @throws SluiceError exit code 3 where name and content disagree, or the format is none of ours
 */
export function probeFormat(path: string, ends: Ends): string {
  const found = formatOf(ends);
  if (found === null) return formats()[0]!.name;
  if (!isFormat(found)) {
    const own = FOREIGN.find(({ format }) => format === found)?.way;
    const way = own === undefined ? '' : `"${own}" makes one that it can, or `;
    const what = `looks like ${found}, which this version cannot mount`;
    throw unsupported(path, `${what}; ${way}use --format raw to show its bytes`);
  }
  if (!RAW_LIKE.has(endingOf(path))) return found;
  const why = 'is not named so, and a guest can write that to a raw disk';
  const ways = `use --format ${found} or --format raw`;
  throw unsupported(path, `looks like ${found} but ${why}; ${ways}`);
}
