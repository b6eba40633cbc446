import { SIZE_MAX } from '../../util/units.js';
import { malformed, unsupported } from '../refusal.js';

/** The frames of a packed raw image: each can be unpacked alone. Plain data. */
export interface Frames {
  /** Of the whole image, bytes. */
  readonly size: number;
  /** Where each frame begins in the image, and where the last one ends. */
  readonly starts: Float64Array;
  /** Where each begins in the file, and where the last one ends. */
  readonly places: Float64Array;
  /** Bytes of the longest one, unpacked. */
  readonly longest: number;
}

/** A frame is read and unpacked as a whole, and a few are kept: 8 MiB. */
export const FRAME_BYTES_MAX = 4 << 20;
/** Their places take 64 MiB. */
export const FRAMES_MAX = 4 << 20;

/** Collects the frames of a file, which follow each other from its beginning. */
export class FrameList {
  readonly #path: string;
  readonly #tooLong: Error;
  readonly #starts = [0];
  readonly #places = [0];
  #longest = 0;

  /**
   * @param path For messages.
   * @param tooLong The error for a frame that is too long, if there is more to say.
   */
  constructor(path: string, tooLong?: Error) {
    this.#path = path;
    const what = 'it has frames of more than 4 MiB; pack it with smaller ones';
    this.#tooLong = tooLong ?? unsupported(path, what);
  }

  /**
   * @param packed Bytes that the frame takes in the file.
   * @param unpacked Bytes of the image.
   * @throws SluiceError exit code 3 for too many frames, or one that is too long
   */
  add(packed: number, unpacked: number): void {
    const last = this.#starts.length - 1;
    const start = this.#starts[last]!;
    const place = this.#places[last]!;
    if (Math.max(packed, unpacked) > FRAME_BYTES_MAX) {
      throw this.#tooLong;
    }
    if (last >= FRAMES_MAX) throw unsupported(this.#path, `it has more than ${FRAMES_MAX} frames`);
    if (start + unpacked > SIZE_MAX) throw malformed(this.#path, 'its size is above 2^53 bytes');
    this.#longest = Math.max(this.#longest, unpacked);
    this.#starts.push(start + unpacked);
    this.#places.push(place + packed);
  }

  /** @param bytes That follow in the file, and are no part of a frame. */
  skip(bytes: number): void {
    this.#starts.push(this.#starts.at(-1)!);
    this.#places.push(this.#places.at(-1)! + bytes);
  }

  frames(): Frames {
    return {
      size: this.#starts.at(-1)!,
      starts: Float64Array.from(this.#starts),
      places: Float64Array.from(this.#places),
      longest: this.#longest,
    };
  }
}

/**
 * The error for a file that is one long stream.
 *
 * @param unpacker The program that unpacks it.
 * @param packer The one that packs it in parts, and the ending of what it makes.
 */
export function notSeekable(
  path: string,
  what: string,
  unpacker: string,
  [packer, ending]: readonly [string, string] = ['bgzip', 'bgzf.gz'],
): Error {
  const made = `${path.replace(/\.\w+$/, '')}.${ending}`;
  const way = `"${unpacker} -dc ${asWord(path)} | ${packer} > ${asWord(made)}" makes one that can`;
  // The other programs are on every machine that has such a file.
  const from = packer === 'bgzip' ? ' (bgzip: package tabix or htslib)' : '';
  return unsupported(path, `${what}: no part of it can be read alone; ${way}${from}`);
}

/** A name as a shell takes it for one word. */
function asWord(name: string): string {
  return /^[\w@%+=:,./-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
