import { extname } from 'node:path';
import { formats, isFormat } from './formats.js';
import { unsupported } from './refusal.js';

/** Bytes from the beginning of an image that tell its format: those of VDI end at 68. */
export const HEAD_BYTES = 512;

/** The first bytes of formats that cannot be mounted, as text in latin1. */
interface Signature {
  format: string;
  offset: number;
  text: string;
}

/** Sources: block/*.c of QEMU. */
const FOREIGN: readonly Signature[] = [
  { format: 'vmdk', offset: 0, text: 'KDMV' },
  { format: 'vmdk', offset: 0, text: 'COWD' },
  { format: 'vmdk', offset: 0, text: '# Disk DescriptorFile' },
  { format: 'vhdx', offset: 0, text: 'vhdxfile' },
  { format: 'vhd', offset: 0, text: 'conectix' },
  { format: 'vdi', offset: 64, text: '\x7f\x10\xda\xbe' },
  { format: 'parallels', offset: 0, text: 'WithoutFreeSpace' },
  { format: 'parallels', offset: 0, text: 'WithouFreSpacExt' },
  { format: 'qed', offset: 0, text: 'QED\0' },
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
 * Name of the format that the first bytes of a file look like, one of ours or not; null for a raw image.
 * A guest can write any of these to a raw disk, so `--format raw` overrules it.
 *
 * @param head The first HEAD_BYTES bytes, fewer if the file is shorter.
 */
export function formatOf(head: Uint8Array): string | null {
  const known = formats().find((format) => format.probe(head));
  if (known !== undefined) return known.name;
  const text = Buffer.from(head).toString('latin1');
  return FOREIGN.find((one) => text.startsWith(one.text, one.offset))?.format ?? null;
}

/**
 * The format of an image from its first bytes. A guest can write any of them to its raw disk, and a
 * header can name any file of the host as backing file: so a raw-like name wins.
 *
 * @throws SluiceError exit code 3 where name and content disagree, or the format is none of ours
 */
export function probeFormat(path: string, head: Uint8Array): string {
  const found = formatOf(head);
  if (found === null) return formats()[0]!.name;
  if (!isFormat(found)) {
    const way = 'use --format raw to show its bytes';
    throw unsupported(path, `looks like ${found}, which this version cannot mount; ${way}`);
  }
  if (!RAW_LIKE.has(extname(path).toLowerCase())) return found;
  const why = 'is not named so, and a guest can write that to a raw disk';
  const ways = `use --format ${found} or --format raw`;
  throw unsupported(path, `looks like ${found} but ${why}; ${ways}`);
}
