import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Runs qemu-img and qemu-io in a folder. The top image is `top.qcow2`. */
export class Maker {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  img(...words: string[]): void {
    execFileSync('qemu-img', words, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  create(name: string, size: string, options = '', ...more: string[]): void {
    // QEMU looks for data files in its own folder, not in the image's: they need absolute names.
    const words = options === '' ? [] : ['-o', options.replaceAll('@', this.folder)];
    this.img('create', '-q', '-f', 'qcow2', ...words, ...more, name, size);
  }

  /** Runs commands of qemu-io, for instance `write -P 1 0 64k`. */
  io(name: string, format: string, ...commands: string[]): void {
    const words = commands.flatMap((command) => ['-c', command]);
    execFileSync('qemu-io', ['-f', format, ...words, name], {
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  }

  /** Overwrites the first place where a file has the bytes `from`. */
  patch(name: string, from: Buffer, to: Buffer): void {
    const bytes = readFileSync(this.path(name));
    to.copy(bytes, bytes.indexOf(from));
    writeFileSync(this.path(name), bytes);
  }

  /** Overwrites one byte of a file. */
  poke(name: string, offset: number, value: number): void {
    const bytes = readFileSync(this.path(name));
    bytes[offset] = value;
    writeFileSync(this.path(name), bytes);
  }

  raw(name: string, size: number): void {
    writeFileSync(this.path(name), '');
    truncateSync(this.path(name), size);
  }
}
