import type { Task } from '../../host/engine.js';
import type { ClusterWrites } from './cluster-writes.js';
import type { QcowLayer } from './qcow-layer.js';

/** A new L2 table whose contents were put into the file as a whole. */
interface FreshTable {
  l1Index: number;
  /** Its place in the file. */
  host: number;
  /** The table that it is a copy of; 0: it began with zeros. */
  from: number;
}

/**
 * New L2 tables that no fsync has covered. An fsync that fails may lose their contents, and the host takes them for written. A flush
 * writes changed slices only, so the other slices would have old bytes of the cluster. Therefore the whole table is put there again.
 */
export class FreshTables {
  readonly #clusters: Pick<ClusterWrites, 'clear' | 'copy'>;
  readonly #layer: Pick<QcowLayer, 'l1'>;
  readonly #tables: FreshTable[] = [];
  #areLost = false;

  constructor(clusters: Pick<ClusterWrites, 'clear' | 'copy'>, layer: Pick<QcowLayer, 'l1'>) {
    this.#clusters = clusters;
    this.#layer = layer;
  }

  add(l1Index: number, host: number, from: number): void {
    this.#tables.push({ l1Index, host, from });
  }

  /** What an fsync that begins now covers. */
  get count(): number {
    return this.#tables.length;
  }

  /** An fsync has covered the first `count` of them. */
  synced(count: number): void {
    if (!this.#areLost) this.#tables.splice(0, count);
  }

  /** An fsync has failed. */
  lost(): void {
    this.#areLost = this.#tables.length > 0;
  }

  /** Puts lost contents into the file, before anything is written over them. 0 or -errno. */
  *again(request: number): Task {
    if (!this.#areLost) return 0;
    for (const { l1Index, host, from } of [...this.#tables]) {
      if (this.#layer.l1[l1Index] !== host) continue;
      const result = yield* from === 0
        ? this.#clusters.clear(request, host)
        : this.#clusters.copy(request, from, host);
      if (result < 0) return result;
    }
    this.#areLost = false;
    return 0;
  }
}
