import { constants, gunzip, inflateRaw, inflate as inflateZlib, type ZlibOptions } from 'node:zlib';
import type { ZSTDDecoder } from 'zstddec';
import type { Compression } from './inflate-calls.js';
import { hasSha256, streamOfBlock } from './xz-block.js';
import { zstdFrameBytes } from './zstd-frame.js';

type XzModule = typeof import('xz-decompress');

/** Loaded with the first cluster that needs it. */
let zstd: Promise<ZSTDDecoder> | null = null;

const INFLATERS: Readonly<
  Record<Compression, (bytes: Uint8Array, clusterBytes: number) => Promise<Uint8Array>>
> = {
  zlib: (bytes, clusterBytes) => inflateBy(inflateRaw, bytes, clusterBytes),
  'zlib-stream': (bytes, clusterBytes) => inflateBy(inflateZlib, bytes, clusterBytes),
  gzip: (bytes, clusterBytes) => inflateBy(gunzip, bytes, clusterBytes),
  zstd: inflateFrame,
  'zstd-frame': inflateFrame,
  xz: inflateBlock,
};

/** Their clusters are all of one size. */
const IS_WHOLE: ReadonlySet<Compression> = new Set(['zlib', 'zstd']);

/**
 * Inflates a cluster, off the thread that calls for zlib. Bytes behind the compressed data are ignored,
 * and no more memory is taken than a cluster.
 *
 * @returns `clusterBytes` bytes, or fewer where that is allowed; null for broken data.
 */
export async function inflate(
  method: Compression,
  bytes: Uint8Array,
  clusterBytes: number,
): Promise<Uint8Array | null> {
  try {
    const cluster = await INFLATERS[method](bytes, clusterBytes);
    const isShort = cluster.length < clusterBytes;
    return cluster.length === 0 || (isShort && IS_WHOLE.has(method)) ? null : cluster;
  } catch {
    return null;
  }
}

type ZlibCall = (
  bytes: Uint8Array,
  options: ZlibOptions,
  done: (error: Error | null, result: Uint8Array) => void,
) => void;

function inflateBy(call: ZlibCall, bytes: Uint8Array, clusterBytes: number): Promise<Uint8Array> {
  // A last sector that the file lacks cuts only noise off: the end need not be seen.
  const options = { maxOutputLength: clusterBytes, finishFlush: constants.Z_SYNC_FLUSH };
  return new Promise((resolve, reject) => {
    call(bytes, options, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

async function inflateFrame(bytes: Uint8Array, clusterBytes: number): Promise<Uint8Array> {
  zstd ??= loadZstd();
  return (await zstd).decode(bytes.subarray(0, zstdFrameBytes(bytes)), clusterBytes);
}

/** Zstandard in WebAssembly: 64 KiB in 0.3 ms, where decoders in plain JavaScript take 5 ms. */
async function loadZstd(): Promise<ZSTDDecoder> {
  const { ZSTDDecoder } = await import('zstddec');
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return decoder;
}

/** xz in WebAssembly: 1 MiB in 30 to 60 ms. */
async function inflateBlock(bytes: Uint8Array, clusterBytes: number): Promise<Uint8Array> {
  // A module of CommonJS, whose names Node.js does not see.
  const loaded: XzModule & { default?: XzModule } = await import('xz-decompress');
  const { XzReadableStream } = loaded.default ?? loaded;
  const { bytes: packed, size, sha256 } = streamOfBlock(bytes);
  if (size > clusterBytes) throw new Error('the block of xz is longer than the index says');
  const stream = new XzReadableStream(new Blob([packed]).stream());
  const block = new Uint8Array(await new Response(stream).arrayBuffer());
  if (sha256 !== null && !hasSha256(block, sha256)) throw new Error('wrong SHA-256');
  return block;
}
