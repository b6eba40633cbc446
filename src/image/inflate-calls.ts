import { PENDING } from '../host/engine.js';

/**
 * Methods by which a format compresses clusters: raw DEFLATE, as qcow2 means `zlib`; zlib streams with
 * their header and checksum, RFC 1950; members of gzip, RFC 1952; Zstandard frames, of which those of qcow2
 * are all of one size; blocks of xz, exactly as long as they are.
 */
export type Compression = 'zlib' | 'zlib-stream' | 'gzip' | 'zstd' | 'zstd-frame' | 'xz';

/** How a layer's compressed clusters are to be inflated. */
export interface Inflation {
  method: Compression;
  /** Of an inflated cluster. Those of `zlib-stream`, `gzip`, `zstd-frame` and `xz` may be shorter. */
  clusterBytes: number;
}

/** A cluster to be inflated off the data plane's thread. Plain data. */
export interface InflateCall {
  kind: 'inflate';
  request: number;
  method: Compression;
  /** As read: behind the compressed data there is noise. */
  bytes: Uint8Array;
  /** Size of the inflated cluster. */
  clusterBytes: number;
}

/** Clusters that are being inflated elsewhere, by request: each request waits for one at most. */
export class InflateCalls {
  readonly #post: (call: InflateCall) => void;
  readonly #arrived = new Map<number, Uint8Array | null>();

  /** @param post Has a cluster inflated; `ended` must follow, and then the request goes on. */
  constructor(post: (call: InflateCall) => void) {
    this.#post = post;
  }

  /** The inflated cluster, null for a broken one. */
  *inflate(
    request: number,
    { method, clusterBytes }: Inflation,
    bytes: Uint8Array,
  ): Generator<number, Uint8Array | null, number> {
    this.#post({ kind: 'inflate', request, method, bytes, clusterBytes });
    yield PENDING;
    const cluster = this.#arrived.get(request)!;
    this.#arrived.delete(request);
    return cluster;
  }

  /** A cluster has come back, null if it was broken. */
  ended(request: number, cluster: Uint8Array | null): void {
    this.#arrived.set(request, cluster);
  }
}
