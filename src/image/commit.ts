import { MAX_IO_BYTES, Memory, SLOT_DATA, slotOffset } from '../buffers/memory.js';
import type { Engine, Task } from '../host/engine.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../sys/constants.js';
import { mapAnonymous, unmap } from '../sys/memory.js';
import { errnoName, hostErrorText } from '../util/errno.js';
import { EXIT_FAILED, EXIT_IMAGE, SluiceError } from '../util/errors.js';
import type { Driver } from './driver.js';
import { DATA, newExtent, ZERO } from './extent.js';
import { cutAtHole } from './holes.js';
import { type ImageConfig, METADATA_CACHE_BYTES } from './image-config.js';
import { inflate } from './inflate.js';
import { type InflateCall, InflateCalls } from './inflate-calls.js';
import { makeDriver } from './make-driver.js';
import { Mappings } from './mappings.js';
import type { OpenLayer } from './open-chain.js';
import { finish, REQUEST, waitingLayers } from './read-image.js';

/** An image that is open and locked for writing. */
export interface CommitTarget {
  readonly path: string;
  readonly image: ImageConfig;
}

/** One slot for the driver, and one for the bytes on their way. */
const SLOTS = 2;
const CAPACITY = { requests: 1, inFlight: 1, receives: SLOTS, poolBytes: 0 };
const BYTES_AT = slotOffset(1) + SLOT_DATA;

/** The bytes of the disk are given back to the host, and read as zeros. */
const DISCARD = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;

/**
 * Writes everything that a layer has, data and zeros, into the image below it, and waits until that is on the disk.
 * The layer itself is only read. Where it is broken off, at any moment, the two together read as before: whatever was
 * written below, the layer above has too. So it can be done again from the beginning.
 *
 * @param engine For the files of `target`.
 * @param progress Called with a share, 0 to 1.
 * @throws SluiceError exit code 3 for a layer that is larger than the image can become, 1 if the host fails
 */
export async function commitLayer(
  layer: OpenLayer,
  target: CommitTarget,
  engine: Engine,
  progress: (share: number) => void = () => {},
): Promise<void> {
  const mapping = mapAnonymous(slotOffset(SLOTS));
  const memory = new Memory(CAPACITY, mapping);
  const mappings = new Mappings();
  let call: InflateCall | null = null;
  const inflateCalls = new InflateCalls((asked) => {
    call = asked;
  });
  const run = (task: Task): Promise<number> => {
    return finish(task, async () => {
      const { method, bytes, clusterBytes } = call!;
      inflateCalls.ended(REQUEST, await inflate(method, bytes, clusterBytes));
    });
  };
  const handles = target.image.files.map((file) => engine.add(file));
  const reading = waitingLayers(
    { layers: [layer], close() {} },
    METADATA_CACHE_BYTES,
    inflateCalls,
  );
  const driver = makeDriver(target.image, handles, {
    ...{ engine, memory, inflateCalls, mappings },
    resume: () => {},
    slotOf: () => slotOffset(0),
    watch: () => () => true,
  });
  const commit = new Commit(layer.file.path, reading, target.path, driver, memory, run);
  try {
    await commit.grow(target.image.growable);
    await commit.copy(progress);
    await commit.finish();
  } catch (error) {
    // What is in the tables of the image already is written where that can be, so that less of it is lost room.
    await run(driver.close(REQUEST, true)).catch(() => {});
    throw error;
  } finally {
    for (const handle of handles) engine.remove(handle);
    mappings.release();
    reading.mappings.release();
    unmap(mapping);
  }
}

type Reading = ReturnType<typeof waitingLayers>;

class Commit {
  readonly #from: string;
  readonly #reading: Reading;
  readonly #to: string;
  readonly #driver: Driver;
  readonly #memory: Memory;
  readonly #run: (task: Task) => Promise<number>;

  constructor(
    from: string,
    reading: Reading,
    to: string,
    driver: Driver,
    memory: Memory,
    run: (task: Task) => Promise<number>,
  ) {
    this.#from = from;
    this.#reading = reading;
    this.#to = to;
    this.#driver = driver;
    this.#memory = memory;
    this.#run = run;
  }

  /** Makes the image as long as the layer above it. Its new bytes are zeros, as they read through the layer. */
  async grow(canGrow: boolean): Promise<void> {
    const { size } = this.#reading.layers.top;
    const { size: before } = this.#driver;
    if (size <= before) return;
    if (!canGrow) {
      const what = `has ${before} bytes and cannot grow, and ${this.#from} above it has ${size}`;
      throw new SluiceError(`${this.#to}: ${what}`, 'EOPNOTSUPP', EXIT_IMAGE);
    }
    await this.#change(this.#driver.resize(REQUEST, size), 'grow');
  }

  async copy(progress: (share: number) => void): Promise<void> {
    const { layers, engine } = this.#reading;
    const { size } = layers.top;
    const extent = newExtent();
    for (let at = 0; at < size; at += extent.length) {
      progress(at / size);
      await this.#read(layers.mapLoaded(REQUEST, at, size - at, extent), at);
      // A file that was written with discards has holes where its tables have data.
      if (extent.kind === DATA) await this.#read(cutAtHole(engine, REQUEST, extent), at);
      if (!extent.present) continue;
      if (extent.kind === ZERO) {
        await this.#change(this.#driver.allocate(REQUEST, DISCARD, at, extent.length), 'discard');
      } else await this.#write(at, extent.length);
    }
  }

  /** The last flush. */
  async finish(): Promise<void> {
    await this.#change(this.#driver.flush(REQUEST, false), 'sync');
    await this.#change(this.#driver.close(REQUEST, true), 'sync');
  }

  async #write(offset: number, length: number): Promise<void> {
    const { layers } = this.#reading;
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const bytes = Math.min(MAX_IO_BYTES, length - done);
      await this.#read(layers.read(REQUEST, this.#memory, BYTES_AT, at, at + bytes), at);
      for (let sent = 0; sent < bytes; ) {
        const task = this.#driver.write(REQUEST, at + sent, bytes - sent, BYTES_AT + sent);
        sent += await this.#change(task, 'write');
      }
      done += bytes;
    }
  }

  async #read(task: Task, offset: number): Promise<void> {
    const result = await this.#run(task);
    if (result >= 0) return;
    const what = `offset ${offset} cannot be read: ${hostErrorText(result)}`;
    throw new SluiceError(`${this.#from}: ${what}`, errnoName(result), EXIT_FAILED);
  }

  /** @throws SluiceError for an errno, and for a write of no byte */
  async #change(task: Task, what: 'grow' | 'discard' | 'write' | 'sync'): Promise<number> {
    const result = await this.#run(task);
    if (result > 0 || (result === 0 && what !== 'write')) return result;
    const errno = result === 0 ? 'EIO' : errnoName(result);
    const text = `cannot be written: ${what}: ${hostErrorText(result)}`;
    throw new SluiceError(`${this.#to}: ${text}`, errno, EXIT_FAILED);
  }
}
