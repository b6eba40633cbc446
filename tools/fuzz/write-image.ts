import { fstatSync } from 'node:fs';
import { Memory } from '../../src/buffers/memory.js';
import type { Task } from '../../src/host/engine.js';
import { PENDING } from '../../src/host/engine.js';
import type { Chain } from '../../src/image/chain.js';
import { ChainContent } from '../../src/image/chain-content.js';
import type { ChainImage } from '../../src/image/chain-image.js';
import { inflate } from '../../src/image/inflate.js';
import { listFiles, makeChains } from '../../src/image/make-chains.js';
import type { QcowLayout } from '../../src/image/qcow2/layout.js';
import { type DiskConfig, dataDescriptor } from '../../src/plane/disk.js';
import { FlushLosses } from '../../src/plane/flush-losses.js';
import { flushAtEnd } from '../../src/plane/last-flush.js';
import type { InflateCall } from '../../src/plane/messages.js';
import { openDisks } from '../../src/server/open-disks.js';
import type { Mapping } from '../../src/sys/memory.js';
import type { Random } from '../exerciser/random.js';
import { FileEngine } from './file-engine.js';

const OPERATIONS = 24;
const LONGEST = 256 << 10;
/** Growing over a long backing file hides it cluster by cluster, so growth is bounded here. */
const LONGEST_GROWTH = 4 << 20;
/** The most bytes of tables that a few writes may add to an image, whatever its tables say. */
const TABLES_BYTES = 64 << 20;
const REQUEST = 0;
const QUIET = { info() {}, warn() {}, error() {} };

const memory = new Memory();

/**
 * Opens an image for writing as the daemon does, and writes to it. Data written to one cluster must read
 * back at once, and the file must not grow by more than was written.
 *
 * @throws SluiceError if the image is refused; Error for a violation.
 */
export async function writeImage(path: string, random: Random): Promise<void> {
  const opened = await openDisks(
    {
      ...{
        readOnly: false,
        owner: null,
        mode: null,
        growable: true,
        direct: false,
        metadataCache: 0,
      },
      images: [{ name: 'top', path, format: 'qcow2', backingFormats: [], snapshot: null }],
    },
    QUIET,
  );
  try {
    await new Writer(opened.disks[0]!).run(random);
  } finally {
    opened.close();
  }
}

class Writer {
  readonly #disk: DiskConfig;
  readonly #chain: Chain;
  readonly #content: ChainContent;
  readonly #inflations: InflateCall[] = [];
  readonly #buffer: Mapping;

  constructor(disk: DiskConfig) {
    this.#disk = disk;
    const files = listFiles([disk]);
    const engine = new FileEngine(files.map(({ descriptor }) => descriptor));
    const { size } = fstatSync(disk.descriptor);
    engine.limits.set(0, size + TABLES_BYTES + OPERATIONS * (LONGEST + (4 << 20)));
    const { dataFile, layout } = disk.chain!.layers[0]!.qcow!;
    const data = dataDescriptor(disk);
    if (data >= 0) engine.limits.set(dataFile, Math.max(fstatSync(data).size, wholeDisk(layout)));
    const parts = {
      engine,
      memory,
      // Tasks run one at a time, so none waits for another.
      resume: () => {
        throw new Error('somebody waited');
      },
      watch: () => () => true,
      inflate: (call: InflateCall) => void this.#inflations.push(call),
    };
    this.#chain = makeChains([disk], parts)[0]!;
    this.#content = new ChainContent(this.#chain, engine, 1);
    this.#buffer = { address: memory.address, buffer: memory.buffer };
  }

  async run(random: Random): Promise<void> {
    const writes = this.#chain.writes!;
    for (let i = 0; i < OPERATIONS && this.#chain.image.size > 0; i++) {
      const { size } = this.#chain.image as ChainImage;
      const offset = random.below(random.oneIn(4) ? size : Math.min(size, 8 << 20));
      const length = Math.min(1 + random.below(random.oneIn(4) ? LONGEST : 8192), size - offset);
      const choice = random.below(10);
      if (choice < 6) await this.#writeAndRead(offset, length, random);
      else if (choice < 8) await this.#run(writes.zero(REQUEST, offset, length));
      else if (choice < 9 || !this.#disk.growable) await this.#run(writes.flush(REQUEST));
      else await this.#run(writes.grow(REQUEST, size + random.below(LONGEST_GROWTH)));
    }
    const losses = new FlushLosses();
    flushAtEnd([{ config: this.#disk, chain: this.#chain, dirty: true, losses } as never]);
  }

  async #writeAndRead(offset: number, length: number, random: Random): Promise<void> {
    const { clusterBytes } = this.#chain.writes!.writer.layer.geometry;
    const value = 1 + random.below(255);
    const source = LONGEST;
    memory.bytes.fill(value, source, source + length);
    const written = await this.#run(this.#chain.writes!.write(REQUEST, offset, length, source));
    const end = Math.min(offset + length, Math.ceil((offset + 1) / clusterBytes) * clusterBytes);
    if (written < end - offset) return;
    const got = await this.#run(this.#content.read(REQUEST, this.#buffer, 0, offset, end));
    if (got < 0) return;
    const wrong = memory.bytes.subarray(0, end - offset).findIndex((byte) => byte !== value);
    // A write over several clusters that share one host cluster overwrites its own data.
    if (wrong >= 0 && length <= end - offset) {
      throw new Error(`byte ${offset + wrong} does not read back`);
    }
  }

  async #run(task: Task): Promise<number> {
    let step = task.next(0);
    while (!step.done) {
      let result = step.value;
      if (result === PENDING) {
        const call = this.#inflations.pop();
        if (call === undefined) throw new Error('a task waits for nothing');
        const cluster = await inflate(call.method, call.bytes, call.clusterBytes);
        this.#chain.inflated(call.request, cluster);
        result = 0;
      }
      step = task.next(result);
    }
    return step.value;
  }
}

/** The size of a data file that holds a whole disk. */
function wholeDisk({ size, clusterBytes }: QcowLayout): number {
  return Math.ceil(size / clusterBytes) * clusterBytes;
}
