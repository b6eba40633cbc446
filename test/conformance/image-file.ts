import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { must } from '../helpers/run.js';
import { patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import type { FormatName } from './exceptions.js';

/** The image that a case needs. */
export interface ImageSetup {
  bytes: number;
  /** The image is a single hole. */
  sparse?: boolean;
}

/** What qemu-img has made, by what was asked of it: the bytes of its files. */
const MADE = new Map<string, ReadonlyMap<string, Buffer>>();

/** The files that qemu-img makes of each format, the image itself first and the one with the data last. */
const FILES: Readonly<Record<FormatName, readonly [string, ...string[]]>> = {
  raw: ['disk.img'],
  qcow2: ['disk.qcow2'],
  vmdk: ['disk.vmdk', 'disk-flat.vmdk'],
  vhd: ['disk.vhd'],
};
/** QEMU's name of each format, and options. */
const OPTIONS = {
  qcow2: ['qcow2'],
  vmdk: ['vmdk', '-o', 'subformat=monolithicFlat'],
  vhd: ['vpc', '-o', 'subformat=fixed,force_size=on'],
};

/** An image of some format, and its contents as read by independent programs: node:fs and qemu-img. */
export class ImageFile {
  readonly path: string;
  /** The file that holds the data. */
  readonly dataPath: string;
  readonly #format: FormatName;

  static async make(
    t: ExecutionContext,
    format: FormatName,
    setup: ImageSetup,
    base?: string,
  ): Promise<ImageFile> {
    const folder = tempFolder(t, base);
    const names = FILES[format];
    const image = new ImageFile(folder, format);
    const key = `${format} ${setup.bytes} ${setup.sparse}`;
    const made = MADE.get(key);
    if (made !== undefined) {
      for (const [name, bytes] of made) writeFileSync(join(folder, name), bytes);
      return image;
    }
    const raw = join(folder, 'disk.img');
    if (setup.sparse === true) sparseFile(raw, setup.bytes);
    else patternFile(raw, setup.bytes);
    if (format === 'raw') return image;
    const words = ['convert', '-f', 'raw', '-O', ...OPTIONS[format]];
    await must('qemu-img', [...words, raw, image.path]);
    rmSync(raw);
    MADE.set(key, new Map(names.map((name) => [name, readFileSync(join(folder, name))])));
    return image;
  }

  private constructor(folder: string, format: FormatName) {
    const names = FILES[format];
    this.path = join(folder, names[0]);
    this.dataPath = join(folder, names.at(-1)!);
    this.#format = format;
  }

  /** The contents on the host as a raw disk, complete after an fsync. */
  async content(): Promise<Buffer> {
    if (this.#format === 'raw') return readFileSync(this.path);
    const copy = `${this.path}.raw`;
    // -U: the daemon holds the image's locks meanwhile.
    await must('qemu-img', [
      'convert',
      '-U',
      '-f',
      OPTIONS[this.#format][0]!,
      '-O',
      'raw',
      this.path,
      copy,
    ]);
    const bytes = readFileSync(copy);
    rmSync(copy);
    return bytes;
  }

  /** Fails the test if the image is not sound. It must not be written meanwhile. */
  async check(t: ExecutionContext): Promise<void> {
    // QEMU has no check of VHD images, whose headers a write never changes.
    if (this.#format === 'raw' || this.#format === 'vhd') return;
    const checked = await must('qemu-img', ['check', '-f', this.#format, this.path]);
    t.regex(checked, /^No errors were found/);
  }
}
