import type { Format } from './format.js';
import { gzip, xz, zstd } from './packed/format.js';
import { parallels } from './parallels/format.js';
import { qcow1 } from './qcow1/format.js';
import { qcow2 } from './qcow2/format.js';
import { qed } from './qed/format.js';
import { raw } from './raw/format.js';
import { vdi } from './vdi/format.js';
import { vhd } from './vhd/format.js';
import { vhdx } from './vhdx/format.js';
import { vmdk } from './vmdk/format.js';

/** The formats that can be mounted, the fallback first. */
const FORMATS: Format[] = [raw, qcow2, vmdk, vhd, vhdx, vdi, parallels, qcow1, qed, gzip, xz, zstd];

/** All formats. A file that looks like none of the others is of the first one. */
export function formats(): readonly Format[] {
  return FORMATS;
}

/** Is it the name of a format? */
export function isFormat(text: string): boolean {
  return FORMATS.some(({ name }) => name === text);
}

/** The format of that name; there must be one. */
export function formatNamed(name: string): Format {
  return FORMATS.find((format) => format.name === name)!;
}

/** The format that an image means by the name that it has recorded; undefined if there is none. */
export function formatRecorded(recorded: string): Format | undefined {
  return FORMATS.find(({ name, qemuName, aliases = [] }) => {
    return [name, qemuName, ...aliases].includes(recorded);
  });
}

/** The format of the overlays that `sluice mount --overlay` makes. */
export function overlayFormat(): Required<Pick<Format, 'name' | 'create'>> {
  const { name, create } = FORMATS.find((format) => format.create !== undefined)!;
  return { name, create: create! };
}

/** Adds a format for the time of a test. */
export function addFormat(format: Format): void {
  FORMATS.push(format);
}
