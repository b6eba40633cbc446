import { constants } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../exerciser/random.js';
import { checkNotEnding, messageOf } from '../lib/cleanup.js';
import type { Mounted } from '../torture/mounted.js';
import { insist, Place } from '../torture/place.js';
import type { Transport } from '../torture/scenario.js';
import type { Agent } from '../verifier/agent.js';
import { checkTables } from '../verifier/judge.js';
import { Load } from '../verifier/load.js';
import { SECTOR } from '../verifier/stamps.js';
import { ENDINGS, type Ending } from './endings.js';
import { changeGroups, groupWords } from './groups.js';
import { makeImage, type SoakImage } from './images.js';

/** Lives of one set of images, and how long each lasts. */
const MOST_LIVES = 6;
const MOST_LIFE_MS = 12_000;
const MOST_IMAGES = 3;
const CHANGE_EVERY_MS = 300;

/** Errors of calls on a mount that ends under them. */
const GONE = ['ENOTCONN', 'ECONNABORTED', 'EIO', 'ENODEV'];

/** What the soak has done so far. */
export class Counts {
  mounts = 0;
  kills = 0;
  /** Images compared byte by byte by qemu-img after an end. */
  verified = 0;
  calls = 0;
  bytesWritten = 0;
  changes = 0;

  /** Adds what a load has done. */
  add(load: Load): void {
    this.calls += load.answered;
    this.bytesWritten += load.written;
  }
}

/** What a run of the soak is about. */
export interface Settings {
  /** Folders for images: on a disk, in memory. */
  parents: readonly string[];
  transports: readonly Transport[];
  /** Folders of a fault stay. */
  keep: boolean;
}

/** Sets of images, one after the other, each mounted, used, ended and verified several times. */
export class Lives {
  readonly #settings: Settings;
  readonly #random: Random;
  readonly #counts: Counts;
  /** What has been done with the images, to understand a fault. */
  #story: string[] = [];

  constructor(settings: Settings, random: Random, counts: Counts) {
    this.#settings = settings;
    this.#random = random;
    this.#counts = counts;
  }

  /** @throws Error with the story of the images for the first fault */
  async run(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      checkNotEnding();
      await this.#oneSet(isOver);
    }
  }

  async #oneSet(isOver: () => boolean): Promise<void> {
    const random = this.#random;
    const { parents, transports, keep } = this.#settings;
    const place = new Place(parents[random.below(parents.length)], transports[0], false);
    this.#story = [place.folder];
    const faults: string[] = [];
    try {
      const images: SoakImage[] = [];
      for (let i = random.below(MOST_IMAGES); i >= 0; i--) {
        images.push(await makeImage(place, random, `disk${i}`));
      }
      this.#story.push(`images: ${images.map(({ title }) => title).join('; ')}`);
      const lives = 1 + random.below(MOST_LIVES);
      for (let life = 0; life < lives && !isOver(); life++) await this.#oneLife(place, images);
      for (const { base } of images) if (base !== null) await place.verify(base);
      place.checkEnded();
    } catch (error) {
      faults.push(messageOf(error), ...this.#story, ...place.facts().slice(-2));
      place.keep = keep;
    }
    faults.push(...(await place.end()));
    if (faults.length > 0) throw new Error(faults.join('\n  '));
  }

  async #oneLife(place: Place, images: readonly SoakImage[]): Promise<void> {
    const random = this.#random;
    const { transports } = this.#settings;
    const transport = transports[random.below(transports.length)];
    const names = images.map((_, index) => `disk${index}`);
    const words = [
      ...groupWords(random, names),
      ...(images.some(({ growable }) => growable) ? ['--growable'] : []),
      ...(random.oneIn(4) ? ['--no-direct'] : []),
      ...(random.oneIn(4) ? ['--cache', 'page'] : []),
      ...(random.oneIn(4) ? ['--metadata-cache', '1M'] : []),
    ];
    const ending = ENDINGS[random.below(ENDINGS.length)];
    this.#story.push(`mount ${transport} ${words.join(' ')}; ended by ${ending.name}`);
    const paths = images.map(({ path }, index) => `${names[index]}=${path}`);
    const mounted = await place.mount(paths, words, { transport });
    this.#counts.mounts += 1;
    const agent = place.agent();
    const loads: Load[] = [];
    for (const [index, { model }] of images.entries()) {
      const fd = await agent.open(mounted.file(names[index]), constants.O_RDWR);
      loads.push(new Load(agent, fd, model, random, { depth: 1 + random.below(8) }));
    }
    for (const load of loads) load.start();
    await this.#live(mounted, agent, images, loads, names);
    await this.#end(mounted, loads, ending);
    for (const image of images) await this.#verify(place, image, ending.isKill);
  }

  /** Changes groups and sizes while the load runs. */
  async #live(
    mounted: Mounted,
    agent: Agent,
    images: readonly SoakImage[],
    loads: readonly Load[],
    names: readonly string[],
  ): Promise<void> {
    const random = this.#random;
    const end = Date.now() + 500 + random.below(MOST_LIFE_MS);
    while (Date.now() < end) {
      await delay(random.below(CHANGE_EVERY_MS));
      for (const load of loads) load.check();
      await changeGroups(mounted, agent, random, names);
      this.#counts.changes += 1;
      const index = random.below(images.length);
      if (images[index].growable && random.oneIn(8)) await grow(agent, loads[index], images[index]);
    }
  }

  async #end(mounted: Mounted, loads: readonly Load[], ending: Ending): Promise<void> {
    const stopAll = async (): Promise<void> => {
      for (const load of loads) await load.stop();
      for (const load of loads) await load.close();
    };
    if (ending.isQuiet) await stopAll();
    else for (const load of loads) load.allow(...GONE);
    await ending.strike(mounted);
    if (!ending.isQuiet) await stopAll();
    await mounted.ended(...ending.codes);
    if (await mounted.isMounted()) {
      const { code, stderr } = await mounted.umount();
      insist(code === 0, `umount of a dead mount ends with ${code}: ${stderr}`);
    }
    for (const load of loads) this.#counts.add(load);
    if (ending.isKill) this.#counts.kills += 1;
  }

  async #verify(place: Place, image: SoakImage, wasKilled: boolean): Promise<void> {
    if (image.lazy && wasKilled) {
      // The next mount counts the references anew.
      const repair = await place.mount([`disk=${image.path}`]);
      await repair.finish();
      await checkTables(image, 'sound');
    } else if (wasKilled) image.mayLeak = true;
    // A raw image has every answered write, whatever becomes of the daemon.
    const promised = wasKilled && image.format === 'qcow2' ? 'cut' : 'kept';
    await place.verify(image, promised, image.mayLeak ? 'leaks at most' : 'sound');
    this.#counts.verified += 1;
  }
}

/** Makes a growable image longer. */
async function grow(agent: Agent, { fd }: Load, { model }: SoakImage): Promise<void> {
  const sectors = Math.min(model.mostSectors, model.sectors + 2048);
  const result = await agent.result({ call: 'truncate', fd, sectors });
  insist(result === 0, `truncate to ${sectors * SECTOR} bytes returns ${result}`);
  model.grow(sectors);
}
