import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { must } from '../helpers/run.js';
import { patternFile, sparseFile, tempFolder } from '../helpers/temp.js';
import type { FormatName } from './exceptions.js';

/** What a case wants of its image. */
export interface ImageSetup {
  bytes: number;
  /** The image is one hole. */
  sparse?: boolean;
}

/** An image of some format, and what it contains in the eyes of others: node:fs and qemu-img. */
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
    if (setup.sparse === true) sparseFile(raw, setup.bytes);
    else patternFile(raw, setup.bytes);
    if (format === 'raw') return new ImageFile(raw, format);
    const path = join(folder, 'disk.qcow2');
    await must('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path]);
    rmSync(raw);
    return new ImageFile(path, format);
  }

  private constructor(path: string, format: FormatName) {
    this.path = path;
    this.#format = format;
  }

  /** What is on the host, as a raw disk: after an fsync, all. */
  async content(): Promise<Buffer> {
    if (this.#format === 'raw') return readFileSync(this.path);
    const copy = `${this.path}.raw`;
    // -U: we hold the image's locks meanwhile.
    await must('qemu-img', ['convert', '-U', '-f', 'qcow2', '-O', 'raw', this.path, copy]);
    const bytes = readFileSync(copy);
    rmSync(copy);
    return bytes;
  }

  /** Fails the test where the image is not sound. Nobody may write to it. */
  async check(t: ExecutionContext): Promise<void> {
    if (this.#format === 'raw') return;
    t.regex(await must('qemu-img', ['check', '-f', 'qcow2', this.path]), /^No errors were found/);
  }
}
