import { fstatSync } from 'node:fs';
import { Memory, SLOT_DATA, slotOffset } from '../../src/buffers/memory.js';
import type { Driver } from '../../src/image/driver.js';
import { makeDriver } from '../../src/image/make-driver.js';
import { Mappings } from '../../src/image/mappings.js';
import type { QcowLayout } from '../../src/image/qcow2/layout.js';
import type { QcowMetadata } from '../../src/image/qcow2/open-image.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import { openDisks } from '../../src/server/open-disks.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE } from '../../src/sys/constants.js';
import type { Random } from '../exerciser/random.js';
import { FileEngine } from './file-engine.js';
import { TaskRunner } from './task-runner.js';

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
        passthrough: [],
        nbd: { timeoutMs: 0, connections: 1 },
        owner: null,
        mode: null,
        growable: true,
        direct: false,
        metadataCache: 0,
        partitions: null,
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
  readonly #driver: Driver;
  readonly #runner = new TaskRunner();

  constructor(disk: DiskConfig) {
    this.#disk = disk;
    const { files, layers } = disk.image;
    const engine = new FileEngine();
    const sizeOf = (file: number): number => fstatSync(files[file]!.descriptor).size;
    engine.limits.set(0, sizeOf(0) + TABLES_BYTES + OPERATIONS * (LONGEST + (4 << 20)));
    const { files: own, metadata } = layers[0]!;
    const dataFile = own[1];
    const { layout } = metadata as QcowMetadata;
    if (dataFile !== undefined) {
      engine.limits.set(dataFile, Math.max(sizeOf(dataFile), wholeDisk(layout)));
    }
    const handles = disk.image.files.map((file) => engine.add(file));
    this.#driver = makeDriver(disk.image, handles, {
      engine,
      mappings: new Mappings(),
      memory,
      resume: this.#runner.resume,
      slotOf: () => slotOffset(0),
      watch: () => () => true,
      inflateCalls: this.#runner.inflateCalls,
    });
  }

  async run(random: Random): Promise<void> {
    const driver = this.#driver;
    for (let i = 0; i < OPERATIONS && driver.size > 0; i++) {
      const { size } = driver;
      const offset = random.below(random.oneIn(4) ? size : Math.min(size, 8 << 20));
      const length = Math.min(1 + random.below(random.oneIn(4) ? LONGEST : 8192), size - offset);
      const choice = random.below(10);
      if (choice < 6) await this.#writeAndRead(offset, length, random);
      else if (choice < 8) {
        const mode = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE;
        await this.#runner.run(driver.allocate(REQUEST, mode, offset, length));
      } else if (choice < 9 || !this.#disk.growable) {
        await this.#runner.run(driver.flush(REQUEST, false));
      } else await this.#runner.run(driver.resize(REQUEST, size + random.below(LONGEST_GROWTH)));
    }
    await this.#runner.run(driver.close(REQUEST, true));
  }

  async #writeAndRead(offset: number, length: number, random: Random): Promise<void> {
    const driver = this.#driver;
    const value = 1 + random.below(255);
    const source = slotOffset(1) + SLOT_DATA;
    const target = slotOffset(0) + SLOT_DATA;
    memory.bytes.fill(value, source, source + length);
    const written = await this.#runner.run(driver.write(REQUEST, offset, length, source));
    const unit = driver.lockUnit;
    const end = Math.min(offset + length, Math.ceil((offset + 1) / unit) * unit);
    if (written < end - offset) return;
    const got = await this.#runner.run(driver.read(REQUEST, offset, end - offset, target, 0));
    if (got < 0) return;
    const bytes = memory.bytes.subarray(target, target + end - offset);
    const wrong = bytes.findIndex((byte) => byte !== value);
    // A write over several clusters that share one host cluster overwrites its own data.
    if (wrong >= 0 && length <= end - offset) {
      throw new Error(`byte ${offset + wrong} does not read back`);
    }
  }
}

/** The size of a data file that holds a whole disk. */
function wholeDisk({ size, clusterBytes }: QcowLayout): number {
  return Math.ceil(size / clusterBytes) * clusterBytes;
}
