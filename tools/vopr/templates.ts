import {
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Maker } from '../lib/image-maker.js';
import { roundUpToSector } from './disks.js';
import { masterBootRecord } from './format-kinds.js';
import { TEMPLATES } from './plan-images.js';

/** The bytes of the templates' disks, by path. */
const known = new Map<string, Buffer>();

/** Makes all images once: a folder for each template, with the bytes of the disk in `bytes`. */
export function makeTemplates(folder: string): void {
  for (const [number, template] of TEMPLATES.entries()) {
    const maker = new Maker(join(folder, String(number)));
    mkdirSync(maker.folder);
    if (template.kind === null) {
      const bytes = Buffer.alloc(template.size);
      for (let at = 0; at < bytes.length; at += 4099) bytes[at] = 1 + (at % 255);
      if (template.partitions.length > 0) masterBootRecord(template.partitions).copy(bytes);
      writeFileSync(maker.path('top'), bytes);
      const all = Buffer.alloc(roundUpToSector(template.size));
      bytes.copy(all);
      writeFileSync(maker.path('bytes'), all);
      continue;
    }
    template.kind.make(maker);
    const { qemu = 'qcow2', top = 'top.qcow2', below } = template.kind;
    maker.img('convert', '-f', qemu, '-O', 'raw', top, 'bytes');
    if (below !== undefined) makeBelow(maker, below);
    renameSync(maker.path(top), maker.path('top'));
  }
}

/** An overlay without a write, and its bytes. */
function makeBelow(maker: Maker, { name, format }: { name: string; format: string }): void {
  const bytes = 'bytes-below';
  maker.img('convert', '-f', format, '-O', 'raw', name, bytes);
  const size = roundUpToSector(statSync(maker.path(bytes)).size);
  truncateSync(maker.path(bytes), size);
  maker.create('new-overlay', String(size), '', '-b', name, '-F', format);
}

/**
 * The bytes of a template's disk.
 *
 * @param template Its folder.
 * @param name `bytes-below`: those of the image below it.
 */
export function bytesOf(template: string, name: 'bytes' | 'bytes-below' = 'bytes'): Buffer {
  const path = join(template, name);
  const bytes = known.get(path) ?? readFileSync(path);
  known.set(path, bytes);
  return bytes;
}
