import { extname } from 'node:path';
import { unsupported } from './qcow2/refusal.js';
import { formatOf } from './signatures.js';

/** Formats that can be mounted. */
export type Format = 'raw' | 'qcow2';

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

/** True if one would expect a raw image under this name. */
export function isRawLike(path: string): boolean {
  return RAW_LIKE.has(extname(path).toLowerCase());
}

/**
 * The format of an image from its first bytes. A guest can write any of them to its raw disk, and a
 * qcow2 header can name any file of the host as backing file: so a raw-like name wins.
 *
 * @throws SluiceError exit code 3 where name and content disagree, or the format is none of ours
 */
export function probeFormat(path: string, head: Uint8Array): Format {
  const found = formatOf(head);
  if (found === null) return 'raw';
  const problem = probeProblem(path, found);
  if (problem !== null) throw unsupported(path, problem);
  return 'qcow2';
}

/** Why an image with this signature is not taken for what it claims to be; null if it is. */
export function probeProblem(path: string, found: string): string | null {
  if (found !== 'qcow2') {
    return `looks like ${found}, which this version cannot mount; use --format raw to show its bytes`;
  }
  if (!isRawLike(path)) return null;
  return 'looks like qcow2 but is not named so, and a guest can write that to a raw disk; use --format qcow2 or --format raw';
}
