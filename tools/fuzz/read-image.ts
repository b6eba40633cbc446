import { Memory, SLOT_DATA, slotOffset } from '../../src/buffers/memory.js';
import type { Driver } from '../../src/image/driver.js';
import { makeDriver } from '../../src/image/make-driver.js';
import { Mappings } from '../../src/image/mappings.js';
import type { ChainOptions } from '../../src/image/open-chain.js';
import { openDisks } from '../../src/server/open-disks.js';
import type { Random } from '../exerciser/random.js';
import { FileEngine } from './file-engine.js';
import { Violation } from './target.js';
import { TaskRunner } from './task-runner.js';

const READS = 16;
const LONGEST = 256 << 10;
const REQUEST = 0;
const QUIET = { info() {}, warn() {}, error() {} };

const memory = new Memory();

/**
 * Opens an image for reading as the daemon does, and reads from it. A part of a range must read as it did
 * within the range.
 *
 * @throws SluiceError if the image is refused; Error for a violation.
 */
export async function readImage(path: string, how: ChainOptions, random: Random): Promise<void> {
  const opened = await openDisks(
    {
      ...{ readOnly: true, owner: null, mode: null, growable: false },
      ...{
        direct: false,
        metadataCache: 0,
        passthrough: [],
        nbd: { timeoutMs: 0, connections: 1 },
      },
      partitions: { sectorSize: null },
      images: [{ ...how, name: 'top', path }],
    },
    QUIET,
  );
  try {
    const runner = new TaskRunner();
    const engine = new FileEngine();
    const { image } = opened.disks[0]!;
    const handles = image.files.map((file) => engine.add(file));
    const driver = makeDriver(image, handles, {
      ...{ engine, memory, resume: runner.resume, mappings: new Mappings() },
      ...{ slotOf: () => slotOffset(0), watch: () => () => true },
      inflateCalls: runner.inflateCalls,
    });
    for (let i = 0; i < READS && driver.size > 0; i++) await readTwice(driver, runner, random);
  } finally {
    opened.close();
  }
}

async function readTwice(driver: Driver, runner: TaskRunner, random: Random): Promise<void> {
  const { size } = driver;
  const offset = random.below(random.oneIn(4) ? size : Math.min(size, 1 << 20));
  const length = Math.min(1 + random.below(random.oneIn(4) ? LONGEST : 8192), size - offset);
  const from = random.below(length);
  const part = 1 + random.below(length - from);
  const whole = await read(driver, runner, 0, offset, length);
  const again = await read(driver, runner, 1, offset + from, part);
  if (whole === null || again === null) {
    // A part may lie beside what is broken, but not the other way round.
    if (whole !== null)
      throw new Violation(`${part} bytes at ${offset + from} cannot be read alone`);
    return;
  }
  if (Buffer.compare(whole.subarray(from, from + part), again) === 0) return;
  throw new Violation(`${part} bytes at ${offset + from} are others when they are read alone`);
}

/** The bytes, in a slot; null for an errno. */
async function read(
  driver: Driver,
  runner: TaskRunner,
  slot: number,
  offset: number,
  length: number,
): Promise<Uint8Array | null> {
  const at = slotOffset(slot) + SLOT_DATA;
  const got = await runner.run(driver.read(REQUEST, offset, length, at, 0));
  if (got < 0) return null;
  if (got !== length) throw new Violation(`${got} of ${length} bytes are read`);
  return memory.bytes.subarray(at, at + length);
}
