import type { NewContentId } from '../content-id.js';
import type { SparseLayout } from './sparse-header.js';

/** The metadata of a layer, as `LayerConfig` has it. */
export interface VmdkMetadata {
  /** Bytes. */
  readonly size: number;
  /** One behind the other, without gaps. */
  readonly pieces: readonly Piece[];
}

/** `ImageConfig.writing` of a disk that is written. */
export interface VmdkWriting {
  /** It gets this one with the first write; null if it has none. */
  readonly contentId: NewContentId | null;
}

/** What an extent of the disk is. Plain data. */
export type Piece = FlatPiece | ZeroPiece | SparsePiece;

interface Range {
  /** On the disk, bytes. */
  readonly start: number;
  readonly length: number;
}

/** The bytes of a file as they are. */
export interface FlatPiece extends Range {
  readonly kind: 'flat';
  /** Index among the files of the image, its own being 0. */
  readonly file: number;
  /** Where the piece begins in the file, bytes. */
  readonly offset: number;
  /** Size of the file. */
  readonly hostSize: number;
}

/** Zeros that no file has. */
export interface ZeroPiece extends Range {
  readonly kind: 'zero';
}

/** Grains of a sparse extent. */
export interface SparsePiece extends Range {
  readonly kind: 'sparse';
  readonly file: number;
  readonly hostSize: number;
  readonly layout: SparseLayout;
  /** From `readDirectory`. */
  readonly tables: Uint32Array;
}
