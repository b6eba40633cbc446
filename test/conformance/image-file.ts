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

/** What qemu-img has made, by what was asked of it. */
const MADE = new Map<string, Buffer>();

/** An image of some format, and its contents as read by independent programs: node:fs and qemu-img. */
export class ImageFile {
  readonly path: string;
  readonly #format: FormatName;

  static async make(
    t: ExecutionContext,
    format: FormatName,
    setup: ImageSetup,
    base?: string,
  ): Promise<ImageFile> {
    const folder = tempFolder(t, base);
    const raw = join(folder, 'disk.img');
    const path = join(folder, 'disk.qcow2');
    const key = `${setup.bytes} ${setup.sparse}`;
    const made = MADE.get(key);
    if (format === 'qcow2' && made !== undefined) {
      writeFileSync(path, made);
      return new ImageFile(path, format);
    }
    if (setup.sparse === true) sparseFile(raw, setup.bytes);
    else patternFile(raw, setup.bytes);
    if (format === 'raw') return new ImageFile(raw, format);
    await must('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
    rmSync(raw);
    MADE.set(key, readFileSync(path));
    return new ImageFile(path, format);
  }

  private constructor(path: string, format: FormatName) {
    this.path = path;
    this.#format = format;
  }

  /** The contents on the host as a raw disk, complete after an fsync. */
  async content(): Promise<Buffer> {
    if (this.#format === 'raw') return readFileSync(this.path);
    const copy = `${this.path}.raw`;
    // -U: the daemon holds the image's locks meanwhile.
    await must('qemu-img', ['convert', '-U', '-f', 'qcow2', '-O', 'raw', this.path, copy]);
    const bytes = readFileSync(copy);
    rmSync(copy);
    return bytes;
  }

  /** Fails the test if the image is not sound. It must not be written meanwhile. */
  async check(t: ExecutionContext): Promise<void> {
    if (this.#format === 'raw') return;
    t.regex(await must('qemu-img', ['check', '-f', 'qcow2', this.path]), /^No errors were found/);
  }
}
