import { dirname, isAbsolute, resolve } from 'node:path';
import type { ReadableFile } from '../host/open-file.js';
import { isNbdUri, parseNbdUri } from '../nbd/uri.js';
import { malformed, unsupported } from './refusal.js';

/** Longest name of a backing file, bytes: QEMU's limit, for all of its formats. */
const BACKING_NAME_MAX = 1023;

/**
 * The name of a backing file that is at an offset of the image itself.
 *
 * @param end It must end here at the latest.
 * @throws SluiceError EINVAL, exit code 3
 */
export function readBackingName(
  image: ReadableFile,
  offset: number,
  bytes: number,
  end: number,
): string {
  if (bytes === 0 || bytes > BACKING_NAME_MAX || offset + bytes > end) {
    throw malformed(image.path, 'the name of its backing file does not lie in the header');
  }
  return Buffer.from(image.read(offset, bytes)).toString();
}

/** The file that a name in an image leads to. */
export interface BackingTarget {
  /** Absolute, or the URI of an export. */
  path: string;
  /** A format that the name itself gives (`json:`), else null. */
  format: string | null;
}

/**
 * Resolves the name of a backing file or an external data file: a path, relative ones from the
 * folder of the image that names it, or `file:PATH`, or `json:{...}` of a file, or the URI of an NBD export.
 *
 * @param image absolute path of the image that has the name
 * @throws SluiceError exit code 3 for names that lead elsewhere than to a file
 */
export function resolveBackingName(
  image: string,
  name: string,
  role: 'backing' | 'data' = 'backing',
): BackingTarget {
  // Node.js opens files by text: the bytes of such a name are lost.
  if (name.includes('\uFFFD')) {
    const how = role === 'backing' ? 'rebase -u' : 'amend -o data_file=NAME';
    const fix = `rename it, and give the image its new name with qemu-img ${how}`;
    throw unsupported(
      image,
      `the name of its ${role} file ${show(name)} is not valid UTF-8; ${fix}`,
    );
  }
  if (isNbdUri(name)) return { path: uriOf(image, name, role), format: null };
  if (name.startsWith('json:')) return resolveJson(image, name.slice('json:'.length));
  const plain = name.startsWith('file:') ? name.slice('file:'.length) : name;
  // QEMU takes a word with a colon before any slash for a protocol.
  const protocol = plain === name ? /^([^/:]*):/.exec(name)?.[1] : undefined;
  if (protocol !== undefined) {
    throw unsupported(image, `its ${role} file ${show(name)} is reached by "${protocol}:"`);
  }
  return { path: besideImage(image, plain), format: null };
}

/** @throws SluiceError ENOTSUP, exit code 3 */
function uriOf(image: string, name: string, role: string): string {
  try {
    return parseNbdUri(name).uri;
  } catch (error) {
    throw unsupported(image, `its ${role} file ${(error as Error).message}`);
  }
}

/** A relative name counts from the folder of the image, and an export has none. */
function besideImage(image: string, name: string): string {
  if (!isNbdUri(image)) return resolve(dirname(image), name);
  if (isAbsolute(name)) return name;
  const what = `it is on an NBD server, and names the file ${show(name)} beside it`;
  throw unsupported(
    image,
    `${what}; give it a name with qemu-img rebase -u that leads there from here`,
  );
}

type Json = Record<string, unknown>;

/** Keys of a `json:` name about the way of reading. The bytes that are read are the same. */
const HARMLESS: ReadonlySet<string> = new Set([
  'node-name',
  'read-only',
  'auto-read-only',
  'discard',
  'detect-zeroes',
  'locking',
  'aio',
  'cache.direct',
  'cache.no-flush',
]);

function resolveJson(image: string, text: string): BackingTarget {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(image, `its backing file has a name that is not JSON: ${show(text)}`);
  }
  if (!isObject(value))
    throw malformed(image, `its backing file's name ${show(text)} is no object`);
  const flat = flatten(value, '');
  const driver = flat.get('driver');
  const isFile = driver === 'file' || driver === 'host_device';
  const prefix = isFile || !(flat.has('file.filename') || flat.has('file.driver')) ? '' : 'file.';
  const filename = flat.get(`${prefix}filename`);
  const protocol = prefix === '' ? (isFile ? driver : undefined) : flat.get('file.driver');
  if (protocol !== undefined && protocol !== 'file' && protocol !== 'host_device') {
    throw unsupported(image, `its backing file is reached by ${show(String(protocol))}`);
  }
  if (typeof filename !== 'string') {
    throw malformed(image, `its backing file's name ${show(text)} names no file`);
  }
  for (const key of flat.keys()) {
    const known = ['driver', 'file.driver', `${prefix}filename`].includes(key);
    if (!known && !HARMLESS.has(key) && !HARMLESS.has(key.replace(/^file\./, ''))) {
      throw unsupported(image, `its backing file's name has the option ${show(key)}`);
    }
  }
  const format = isFile ? 'raw' : typeof driver === 'string' ? driver : null;
  return { path: besideImage(image, filename), format };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{"file": {"driver": "file"}}` and `{"file.driver": "file"}` are the same to QEMU. */
function flatten(value: Json, prefix: string): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [key, inner] of Object.entries(value)) {
    if (!isObject(inner)) flat.set(prefix + key, inner);
    else for (const [path, leaf] of flatten(inner, `${prefix}${key}.`)) flat.set(path, leaf);
  }
  return flat;
}

function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
