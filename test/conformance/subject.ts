import type { ExecutionContext } from 'ava';
import type { Exceptions } from './exceptions.js';
import type { ImageFile, ImageSetup } from './image-file.js';

/** An image that is served. Numbers are results of system calls: 0 or more, or -errno. */
export interface Subject {
  readonly image: ImageFile;
  read(offset: number, length: number): Promise<{ result: number; bytes: Buffer }>;
  write(offset: number, bytes: Buffer): Promise<number>;
  fsync(): Promise<number>;
  size(): Promise<number>;
  truncate(size: number): Promise<number>;
  /** fallocate(2). */
  allocate(mode: number, offset: number, length: number): Promise<number>;
  /** lseek(2). */
  seek(offset: number, whence: number): Promise<number>;
  /** The text of a file below `.groups`. */
  readControl(path: string): Promise<string>;
  /** One write(2) to a file below `.groups`. */
  writeControl(path: string, text: string): Promise<number>;
  makeGroup(path: string): Promise<number>;
  removeGroup(path: string): Promise<number>;
}

/** How to make and to serve the image of a subject. */
export interface Setup extends ImageSetup {
  growable?: boolean;
  readOnly?: boolean;
  /** Name of the image. Rules that need one can share a mount if their names differ. */
  name?: string;
  /** Words of `sluice mount` about groups, for instance `disk=g` for the image with the name `disk`. */
  group?: string[];
  assign?: string[];
}

/** A way of serving: transport, engine, format, and mode of the host file. */
export interface Variant extends Exceptions {
  readonly title: string;
  /**
   * Serves the images of `setups` together, in that order. The first says whether images are growable or
   * read-only.
   */
  serve(
    t: ExecutionContext,
    setups: readonly Setup[],
    use: (subjects: readonly Subject[]) => Promise<void>,
  ): Promise<void>;
}
