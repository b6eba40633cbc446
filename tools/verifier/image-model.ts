import { BROKEN, ZEROS } from './stamps.js';

/** A change of a range of sectors, all of them to one generation. */
export interface Change {
  readonly sector: number;
  readonly count: number;
  readonly generation: number;
  /** Sectors from the first on that are changed for certain; 0 while it is under way or has failed. */
  done: number;
  /** When it was answered; Infinity before. */
  answered: number;
}

/**
 * What may be read:
 * `kept`: everything that was answered must be there. A change that was not answered is there or not.
 * `cut`: the same holds for what was synced; what was answered since then is there or not.
 */
export type Promised = 'kept' | 'cut';

/**
 * The sectors of an image as they must be. It knows the generation that was synced and every change since
 * then. Nothing in it comes from the program under test.
 */
export class ImageModel {
  /** Number of the image, part of its stamps. */
  readonly image: number;
  readonly #synced: Uint32Array;
  readonly #changes = new Map<number, Change[]>();
  #generation = 0;
  #clock = 0;
  #sectors: number;
  #syncedSectors: number;

  /** @param mostSectors the most that it can grow to */
  constructor(image: number, sectors: number, mostSectors = sectors) {
    this.image = image;
    this.#sectors = sectors;
    this.#syncedSectors = sectors;
    this.#synced = new Uint32Array(mostSectors);
  }

  get sectors(): number {
    return this.#sectors;
  }

  get mostSectors(): number {
    return this.#synced.length;
  }

  /** The content that the image has from the beginning, of a new generation. */
  fill(sector: number, count: number): number {
    const generation = ++this.#generation;
    this.#synced.fill(generation, sector, sector + count);
    return generation;
  }

  /** A write begins, or a change to zeros. No other change of these sectors may be under way. */
  begin(sector: number, count: number, zeros = false): Change {
    const generation = zeros ? ZEROS : ++this.#generation;
    const change = { sector, count, generation, done: 0, answered: Number.POSITIVE_INFINITY };
    for (let i = sector; i < sector + count; i++) {
      const list = this.#changes.get(i);
      if (list === undefined) this.#changes.set(i, [change]);
      else list.push(change);
    }
    return change;
  }

  /** The change is answered. The sectors after the first `done` remain uncertain. */
  answer(change: Change, done: number): void {
    change.done = done;
    change.answered = ++this.#clock;
  }

  /** The change was refused before it began: nothing is different. */
  refuse(change: Change): void {
    for (let i = change.sector; i < change.sector + change.count; i++) {
      const list = this.#changes.get(i)!.filter((one) => one !== change);
      if (list.length === 0) this.#changes.delete(i);
      else this.#changes.set(i, list);
    }
  }

  /** The image has grown. */
  grow(sectors: number): void {
    this.#sectors = Math.max(this.#sectors, sectors);
  }

  /** A sync begins: what is answered by now will be on the disk. The result is for `synced`. */
  sync(): { clock: number; sectors: number } {
    return { clock: this.#clock, sectors: this.#sectors };
  }

  synced({ clock, sectors }: { clock: number; sectors: number }): void {
    this.#syncedSectors = Math.max(this.#syncedSectors, sectors);
    for (const [sector, list] of this.#changes) {
      const at = list.findLastIndex((one) => isDone(one, sector) && one.answered <= clock);
      if (at < 0) continue;
      this.#synced[sector] = list[at].generation;
      if (at === list.length - 1) this.#changes.delete(sector);
      else this.#changes.set(sector, list.slice(at + 1));
    }
  }

  #isRight(sector: number, found: number, promised: Promised): boolean {
    const list = this.#changes.get(sector) ?? [];
    for (let i = list.length - 1; i >= 0; i--) {
      if (list[i].generation === found) return true;
      if (promised === 'kept' && isDone(list[i], sector)) return false;
    }
    return this.#synced[sector] === found;
  }

  /** Compares what was read with what may be there; a sentence about the first difference, or null. */
  difference(sector: number, found: Uint32Array, promised: Promised): string | null {
    for (let i = 0; i < found.length; i++) {
      if (!this.#isRight(sector + i, found[i], promised)) {
        return this.#sentence(sector + i, found[i], promised);
      }
    }
    return null;
  }

  #sentence(sector: number, found: number, promised: Promised): string {
    const list = this.#changes.get(sector) ?? [];
    const changes = list.map(
      (one) => `${one.generation}${isDone(one, sector) ? '' : ' (uncertain)'}`,
    );
    const what = found === BROKEN ? 'bytes that nobody wrote' : `generation ${found}`;
    const since = changes.length === 0 ? '' : `, since then ${changes.join(', ')}`;
    return `image ${this.image}, sector ${sector}: ${what}; synced was ${this.#synced[sector]}${since} (${promised})`;
  }

  /** The size after a cut may be any from the synced one to the last one. */
  isPossibleSize(sectors: number, promised: Promised): boolean {
    const least = promised === 'kept' ? this.#sectors : this.#syncedSectors;
    return sectors >= least && sectors <= this.#synced.length;
  }

  /** From now on the image is what was found on the disk. */
  adopt(sectors: number, found: (sector: number) => number): void {
    this.#changes.clear();
    this.#sectors = sectors;
    this.#syncedSectors = sectors;
    for (let i = 0; i < sectors; i++) this.#synced[i] = found(i);
    this.#synced.fill(ZEROS, sectors);
  }
}

function isDone(change: Change, sector: number): boolean {
  return sector - change.sector < change.done;
}
