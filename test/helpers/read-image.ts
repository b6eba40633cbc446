import { PENDING, type Task } from '../../src/host/engine.js';
import { SyncEngine } from '../../src/host/sync-engine.js';
import { inflate } from '../../src/image/inflate.js';
import { type InflateCall, InflateCalls } from '../../src/image/inflate-calls.js';
import { makeLayers } from '../../src/image/make-driver.js';
import { type MapEntry, mapImage } from '../../src/image/map-image.js';
import { Mappings } from '../../src/image/mappings.js';
import { type ChainOptions, layerConfigs, openChain } from '../../src/image/open-chain.js';
import { mapAnonymous } from '../../src/sys/memory.js';

const AUTO: ChainOptions = { format: 'auto', backingFormats: [], snapshot: null };
const REQUEST = 0;
/** Not a multiple of any block, so that reads begin and end within blocks. */
const PIECE_BYTES = (1 << 20) - 4321;

/** A part of an image as a mount shows it, without a mount. @throws Error with the errno of a failed read */
export async function readImage(
  path: string,
  { from = 0, length = Number.POSITIVE_INFINITY, cacheBytes = 1 << 20, ...options } = {} as Partial<
    ChainOptions & { from: number; length: number; cacheBytes: number }
  >,
): Promise<Buffer> {
  const chain = openChain(path, { ...AUTO, ...options });
  try {
    const engine = new SyncEngine();
    const { files, layers: configs } = layerConfigs(chain);
    const handles = files.map(({ descriptor }) => engine.add({ descriptor, inMemory: false }));
    const inflations: InflateCall[] = [];
    const inflateCalls = new InflateCalls((call) => inflations.push(call));
    const layers = makeLayers(
      { layers: configs, alignment: 1, growable: false, writing: null, cacheBytes },
      handles,
      { engine, inflateCalls, resume: () => {}, mappings: new Mappings() },
    );
    const bytes = Buffer.alloc(Math.min(length, layers.top.size - from));
    const buffer = mapAnonymous(PIECE_BYTES);
    const run = async (task: Task): Promise<number> => {
      let step = task.next(0);
      while (!step.done) {
        let result = step.value;
        if (result === PENDING) {
          const call = inflations.pop()!;
          const cluster = await inflate(call.method, call.bytes, call.clusterBytes);
          inflateCalls.ended(call.request, cluster);
          result = 0;
        }
        step = task.next(result);
      }
      return step.value;
    };
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const end = Math.min(bytes.length, at + PIECE_BYTES);
      const result = await run(layers.read(REQUEST, buffer, 0, from + at, from + end));
      if (result < 0) throw new Error(`errno ${-result} at ${from + at}`);
      bytes.set(new Uint8Array(buffer.buffer).subarray(0, end - at), at);
    }
    return bytes;
  } finally {
    chain.close();
  }
}

/** The map of an image, as `sluice map` has it. */
export function mapOfImage(path: string, options: Partial<ChainOptions> = {}): MapEntry[] {
  const chain = openChain(path, { ...AUTO, ...options });
  try {
    return [...mapImage(chain)];
  } finally {
    chain.close();
  }
}
