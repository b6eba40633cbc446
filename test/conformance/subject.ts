import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { patternFile, sparseFile, tempFolder } from '../helpers/temp.js';

/** One image, served in some way. Numbers are results of system calls: from 0, or -errno. */
export interface Subject {
  /** The host file. */
  readonly image: string;
  read(offset: number, length: number): Promise<{ result: number; bytes: Buffer }>;
  write(offset: number, bytes: Buffer): Promise<number>;
  fsync(): Promise<number>;
  size(): Promise<number>;
  truncate(size: number): Promise<number>;
  /** fallocate(2). */
  allocate(mode: number, offset: number, length: number): Promise<number>;
  /** lseek(2). */
  seek(offset: number, whence: number): Promise<number>;
}

/** How a subject's images are made and served. */
export interface Setup {
  growable?: boolean;
  readOnly?: boolean;
  /** The image is one hole. */
  sparse?: boolean;
  bytes: number;
}

/** A way of serving: transport, engine and mode of the host file. */
export interface Variant {
  readonly title: string;
  /** lseek(2) finds no holes: all is data. */
  readonly noSeek: boolean;
  /** fallocate(2) says EOPNOTSUPP. */
  readonly noAllocate: boolean;
  serve(t: ExecutionContext, setup: Setup, use: (subject: Subject) => Promise<void>): Promise<void>;
}

/** The host file that a case wants. */
export function makeImage(t: ExecutionContext, setup: Setup): string {
  const path = join(tempFolder(t), 'disk.img');
  return setup.sparse === true ? sparseFile(path, setup.bytes) : patternFile(path, setup.bytes);
}
