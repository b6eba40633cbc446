import type { ReadableFile } from '../../host/open-file.js';
import { malformed, unsupported } from '../refusal.js';
import { type Tables, tooMuch } from './collect-tables.js';
import * as entries from './entries.js';
import { geometryOf, type QcowLayout } from './layout.js';

// The use of a cluster. A cluster of metadata must have no other use.
const METADATA = 1;
const L2_TABLE = 2;
const DATA = 4;

/** The numbers of references to the clusters from `first` on, by the tables of an image. */
export interface Window {
  first: number;
  counts: Uint32Array;
}

/** Counts the references to the clusters of an image. A generator, because that takes long. */
export class ReferenceCounter {
  readonly #source: ReadableFile;
  readonly #layout: QcowLayout;
  readonly #tables: Tables;
  /** Clusters of the file; the last one may be cut off. */
  readonly #ofFile: number;
  /** The image has no external data file. */
  readonly #ownData: boolean;
  readonly #window: number;
  /** See `clusters`. */
  #clusters: number;
  #counts = new Uint32Array(0);
  #kinds = new Uint8Array(0);

  /** @param window Number of clusters counted at once, a multiple of those of a refcount block. */
  constructor(source: ReadableFile, layout: QcowLayout, tables: Tables, window: number) {
    this.#source = source;
    this.#layout = layout;
    this.#tables = tables;
    this.#ofFile = Math.ceil(source.size / layout.clusterBytes);
    this.#clusters = this.#ofFile;
    this.#ownData = layout.dataFileName === null;
    this.#window = window;
  }

  /** Clusters of the file and those behind its end that `usedWindows` has found references to. */
  get clusters(): number {
    return this.#clusters;
  }

  /** Numbers of the windows that have references, ascending. */
  *usedWindows(): Generator<void, number[]> {
    const used = new Set<number>();
    const { clusterBytes } = this.#layout;
    const see = (offset: number): void => {
      const cluster = Math.floor(offset / clusterBytes);
      this.#clusters = Math.max(this.#clusters, cluster + 1);
      used.add(Math.floor(cluster / this.#window));
    };
    for (const { offset, bytes } of this.#tables.regions) {
      see(offset);
      see(offset + Math.max(0, bytes - 1));
    }
    for (const offset of this.#tables.l2) {
      see(offset);
      this.#walk(offset, (from, bytes) => {
        see(from);
        see(from + bytes - 1);
      });
      yield;
    }
    const most = Math.min(this.#window, this.#clusters);
    this.#counts = new Uint32Array(most);
    this.#kinds = new Uint8Array(most);
    return [...used].sort((a, b) => a - b);
  }

  /**
   * Counts one window, after `usedWindows`. The next call overwrites the result.
   *
   * @throws SluiceError exit code 3 for metadata that overlaps
   */
  *count(window: number): Generator<void, Window> {
    const { clusterBytes } = this.#layout;
    const counts = this.#counts.fill(0);
    const kinds = this.#kinds.fill(0);
    const first = window * this.#window;
    const add = (offset: number, bytes: number, kind: number, uses: number): void => {
      const end = Math.floor((offset + bytes - 1) / clusterBytes) - first;
      for (let i = Math.floor(offset / clusterBytes) - first; i <= end; i++) {
        if (i < 0 || i >= counts.length) continue;
        const others = kinds[i]! & ~kind;
        if (others !== 0 && ((others | kind) & (METADATA | L2_TABLE)) !== 0) {
          throw malformed(
            this.#source.path,
            `its metadata overlaps at ${(first + i) * clusterBytes}`,
          );
        }
        kinds[i]! |= kind;
        counts[i]! += uses;
      }
    };
    const { regions, l2, l2Uses } = this.#tables;
    for (const { offset, bytes } of regions) if (bytes > 0) add(offset, bytes, METADATA, 1);
    for (const [i, offset] of l2.entries()) add(offset, clusterBytes, L2_TABLE, l2Uses[i]!);
    for (const [i, offset] of l2.entries()) {
      this.#walk(offset, (from, bytes) => add(from, bytes, DATA, l2Uses[i]!));
      yield;
    }
    const most = 2 ** (2 ** this.#layout.refcountOrder) - 1;
    if (counts.some((count) => count > most)) {
      throw unsupported(this.#source.path, tooMuch('references to one cluster'));
    }
    return { first, counts };
  }

  /**
   * Calls `visit` with each range that an L2 table refers to. Where the host had no room set aside, a crash leaves clusters
   * behind the end of the file, which read as zeros: all that the disk can have, and no more.
   *
   * @throws SluiceError exit code 3 for references that are broken, or farther behind the end
   */
  #walk(table: number, visit: (offset: number, bytes: number) => void): void {
    const { clusterBytes, clusterBits } = this.#layout;
    const { entryBytes } = geometryOf(this.#layout);
    const end = this.#ofFile * clusterBytes;
    const farthest = end + this.#layout.size;
    const bytes = this.#source.read(table, clusterBytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < clusterBytes; at += entryBytes) {
      const high = view.getUint32(at);
      const low = view.getUint32(at + 4);
      let offset = entries.entryOffset(high, low);
      let length = clusterBytes;
      if (entries.isCompressed(high)) {
        offset = entries.compressedOffset(high, low, clusterBits);
        length = entries.compressedBytes(high, low, clusterBits);
        // The file may end within the last sector of a compressed cluster.
        if (offset < end) length = Math.min(length, end - offset);
      } else if (offset === 0 || !this.#ownData) continue;
      else if (offset % clusterBytes !== 0) {
        throw malformed(
          this.#source.path,
          `entry ${at / entryBytes} of the L2 table at ${table} is broken`,
        );
      }
      if (offset + length > farthest) {
        const what = `the L2 table at ${table} points far behind the end of the file`;
        throw malformed(this.#source.path, what);
      }
      visit(offset, length);
    }
  }
}
