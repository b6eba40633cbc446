/** Programs such as sfdisk write a table in parts, with a flush after each: in between it is broken. */
const SETTLES_NS = 1e9;
/** A guest can write tables all the time: no more often is anything said of one image. */
const EVERY_NS = 10e9;

interface Untold {
  text: string;
  atNs: number;
}

/** Faults of partition tables, to be logged when a table has been as it is for a while. */
export class TableNews {
  /** When something is to be told. */
  tellAtNs = Infinity;
  readonly #warn: (text: string) => void;
  /** By the path of the image. */
  readonly #untold = new Map<string, Untold>();
  readonly #toldNs = new Map<string, number>();

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  /** The table of an image has been read, with these faults. */
  read(path: string, faults: readonly string[], nowNs: number): void {
    this.#untold.delete(path);
    if (faults.length > 0) {
      const next = (this.#toldNs.get(path) ?? -Infinity) + EVERY_NS;
      const atNs = Math.max(nowNs + SETTLES_NS, next);
      this.#untold.set(path, { text: `${path}: partition table: ${faults.join('; ')}`, atNs });
    }
    this.#arm();
  }

  /** The image goes. */
  forget(path: string): void {
    this.#untold.delete(path);
    this.#toldNs.delete(path);
    this.#arm();
  }

  /** Logs what is due. */
  tell(nowNs: number): void {
    for (const [path, { text, atNs }] of this.#untold) {
      if (atNs > nowNs) continue;
      this.#warn(text);
      this.#untold.delete(path);
      this.#toldNs.set(path, nowNs);
    }
    this.#arm();
  }

  #arm(): void {
    this.tellAtNs = Math.min(...[...this.#untold.values()].map(({ atNs }) => atNs));
  }
}
