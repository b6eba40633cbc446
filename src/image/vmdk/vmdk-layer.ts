import type { Task } from '../../host/engine.js';
import type { Layer } from '../driver.js';
import { DATA, type Extent, ZERO } from '../extent.js';
import type { Inflation } from '../inflate-calls.js';
import type { SliceCache } from '../slice-cache.js';
import type { FlatPiece, Piece, VmdkMetadata } from './pieces.js';
import { SparseExtent } from './sparse-extent.js';

/** A part of the disk: fills `extent` for bytes of its own, from `offset` in the part on. */
interface Part {
  map(offset: number, length: number, extent: Extent): void;
}

/** A disk of VMware as a layer: its parts one behind the other. */
export class VmdkLayer implements Layer {
  readonly size: number;
  /** QEMU calls all of a flat extent data, so `sluice map` does, and tells which is zero. */
  readonly hasHostHoles = false;
  readonly inflation: Inflation | null;
  readonly #cache: SliceCache;
  readonly #parts: readonly Part[];
  /** Where each part begins, and where the last one ends. */
  readonly #starts: Float64Array;
  /** The part that was used last: neighbouring requests find it at once. */
  #current = 0;

  /** @param files The engine's handles of the files of the image. */
  constructor({ size, pieces }: VmdkMetadata, files: readonly number[], cache: SliceCache) {
    let slices = 0;
    this.size = size;
    this.#cache = cache;
    this.#parts = pieces.map((piece) => {
      if (piece.kind === 'zero') return new ZeroPart();
      const file = files[piece.file]!;
      if (piece.kind === 'flat') return new FlatPart(piece, file);
      const part = new SparseExtent(piece, file, cache, slices);
      slices += part.slices;
      return part;
    });
    this.#starts = Float64Array.from([...pieces.map(({ start }) => start), size]);
    this.inflation = inflationOf(pieces);
  }

  map(offset: number, length: number, extent: Extent): void {
    const part = this.#find(offset);
    const start = this.#starts[part]!;
    const rest = this.#starts[part + 1]! - offset;
    extent.present = true;
    this.#parts[part]!.map(offset - start, Math.min(length, rest), extent);
  }

  load(request: number, extent: Extent): Task {
    return this.#cache.load(request, extent);
  }

  #find(offset: number): number {
    const starts = this.#starts;
    const current = this.#current;
    if (starts[current]! <= offset && offset < starts[current + 1]!) return current;
    let low = 0;
    let high = this.#parts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    this.#current = low;
    return low;
  }
}

class ZeroPart implements Part {
  map(_offset: number, length: number, extent: Extent): void {
    extent.kind = ZERO;
    extent.offset = -1;
    extent.length = length;
  }
}

/** Past the end of its file it reads as zeros. */
class FlatPart implements Part {
  readonly #offset: number;
  readonly #hostSize: number;
  readonly #file: number;

  constructor({ offset, hostSize }: FlatPiece, file: number) {
    this.#offset = offset;
    this.#hostSize = hostSize;
    this.#file = file;
  }

  map(offset: number, length: number, extent: Extent): void {
    const host = this.#offset + offset;
    const rest = this.#hostSize - host;
    extent.kind = rest > 0 ? DATA : ZERO;
    extent.file = this.#file;
    extent.offset = host;
    extent.length = rest > 0 && rest < length ? rest : length;
  }
}

/** The end of a disk may cut its last grain short. */
function inflationOf(pieces: readonly Piece[]): Inflation | null {
  const sizes = pieces.flatMap((piece) => {
    return piece.kind === 'sparse' && piece.layout.compressedAt !== null
      ? [piece.layout.grainBytes]
      : [];
  });
  return sizes.length === 0 ? null : { method: 'zlib-stream', clusterBytes: Math.max(...sizes) };
}
