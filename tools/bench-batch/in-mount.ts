import { join } from 'node:path';
import { makeImage, temporaryFolder } from '../lib/image.js';
import { type Change, measureInSlices, type Slice } from '../lib/in-slices.js';

const IMAGE_MIB = 512;

/** Every second slice an entry is submitted before the next one is queued, but for links: they belong together. */
export const SUBMITTING: readonly Change[] = [
  {
    start: 'queue(opcode, flags, file, address, length, offset, opFlags, tag) {',
    code: (slice) => {
      const last = 'this.#sqes[((this.#tail - 1) & this.#sqMask) * this.#sqeWords]';
      return `if ((${slice} & 1) && this.#queued > 0 && (${last} & 0x400) === 0) this.submit();`;
    },
  },
];

/** Loads on a mount. */
const LOADS = [
  { name: 'randread, QD 32', rw: 'randread', depth: 32, jobs: 1 },
  { name: 'randread, 4 x QD 32', rw: 'randread', depth: 32, jobs: 4 },
  { name: 'randwrite, 4 x QD 32', rw: 'randwrite', depth: 32, jobs: 4 },
] as const;

/** Slices with one system call for each entry, and those beside them with one for all of a turn. */
export interface Batches {
  name: string;
  alone: Slice[];
  together: Slice[];
}

/** Has each load on a mount of an image in a folder below `parent`, for `seconds`. */
export async function* measureBatches(parent: string, seconds: number): AsyncGenerator<Batches> {
  for (const { name, ...shape } of LOADS) {
    const folder = await temporaryFolder(parent);
    const image = join(folder, 'disk.img');
    await makeImage(image, IMAGE_MIB);
    const load = { image, size: IMAGE_MIB << 20, seconds, ...shape };
    const cycles = await measureInSlices(folder, load, SUBMITTING, 2);
    const of = (slice: number): Slice[] => cycles.map((cycle) => cycle[slice]!);
    yield { name, alone: of(1), together: of(0) };
  }
}
