import { dirname } from 'node:path';
import type { HostFile } from '../../host/host-file.js';
import { malformed, unsupported } from '../refusal.js';

// The descriptor of a disk, which is a folder NAME.hdd: QEMU, docs/interop/prl-xml.rst. Programs write it line
// by line, with tags in capital letters and without attributes, so it is read by its tags.

/** It begins so, within the bytes that tell a format. */
const ROOT = '<Parallels_disk_image';
/** A disk with a thousand snapshots has 300 KiB. */
const BYTES_MAX = 1 << 20;
const NO_ENCRYPTION = /^\{?[0-]*\}?$/;

/** The file with the bytes of a disk, as its descriptor has it. */
export interface DescribedImage {
  /** Relative to the descriptor, or absolute. */
  readonly name: string;
  /** It has the bytes of the disk as they are. */
  readonly isPlain: boolean;
  /** Of the disk, bytes. */
  readonly size: number;
}

export function isDescriptor(head: Uint8Array): boolean {
  const text = Buffer.from(head).toString('latin1');
  return text.trimStart().startsWith('<?xml') && text.includes(ROOT);
}

/**
 * Reads a descriptor.
 *
 * @throws SluiceError exit code 3 for a disk with several files
 */
export function readDescriptor(file: HostFile): DescribedImage {
  const { path, size } = file;
  if (size > BYTES_MAX) throw malformed(path, 'its descriptor is too long');
  const text = Buffer.from(file.read(0, size)).toString('utf8');
  const engine = within(text, 'Encryption').map((one) => within(one, 'Engine')[0] ?? '');
  if (engine.some((id) => !NO_ENCRYPTION.test(id))) throw unsupported(path, 'it is encrypted');
  const parts = within(text, 'StorageData').flatMap((one) => within(one, 'Storage'));
  const [part] = parts;
  if (part === undefined) throw malformed(path, 'it has no Storage');
  if (parts.length > 1) {
    throw unsupported(path, `it is split into ${parts.length} parts; ${mergeAdvice(path)}`);
  }
  const images = within(part, 'Image');
  if (images.length > 1) {
    const count = images.length - 1;
    throw unsupported(path, `it has ${count} snapshots, which are not read; ${mergeAdvice(path)}`);
  }
  const [name] = within(images[0] ?? '', 'File');
  const [type = ''] = within(images[0] ?? '', 'Type');
  const sectors = Number(within(text, 'Disk_size')[0]);
  const isKnown = ['Plain', 'Compressed'].includes(type);
  if (name === undefined || name === '' || !isKnown || !Number.isSafeInteger(sectors * 512)) {
    throw malformed(path, 'it has no image of a known type and size');
  }
  return { name: withoutEntities(name), isPlain: type === 'Plain', size: sectors * 512 };
}

/** Program of Parallels Desktop. */
function mergeAdvice(path: string): string {
  return `"prl_disk_tool merge --hdd ${dirname(path)}" makes one file of it`;
}

/** The texts between tags, in their order. */
function within(text: string, tag: string): string[] {
  const found: string[] = [];
  const [open, close] = [`<${tag}>`, `</${tag}>`];
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at)) {
    const from = at + open.length;
    const end = text.indexOf(close, from);
    if (end < 0) break;
    found.push(text.slice(from, end).trim());
    at = end + close.length;
  }
  return found;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&amp;': '&',
};

function withoutEntities(text: string): string {
  return text.replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity);
}
