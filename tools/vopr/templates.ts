import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Maker } from '../lib/image-maker.js';
import { roundUpToSector } from './disks.js';
import { masterBootRecord } from './format-kinds.js';
import { TEMPLATES } from './plan.js';

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
    const { qemu = 'qcow2', top = 'top.qcow2' } = template.kind;
    maker.img('convert', '-f', qemu, '-O', 'raw', top, 'bytes');
    renameSync(maker.path(top), maker.path('top'));
  }
}

/** The bytes of a template's disk. @param template Its folder. */
export function bytesOf(template: string): Buffer {
  const path = join(template, 'bytes');
  const bytes = known.get(path) ?? readFileSync(path);
  known.set(path, bytes);
  return bytes;
}
