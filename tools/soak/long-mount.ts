import { constants } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../exerciser/random.js';
import { checkNotEnding, messageOf } from '../lib/cleanup.js';
import { Place } from '../torture/place.js';
import type { Transport } from '../torture/scenario.js';
import { Load } from '../verifier/load.js';
import { changeGroups, groupWords } from './groups.js';
import { makeImage } from './images.js';
import type { Counts, Settings } from './lives.js';
import { type Sample, sampleOf } from './samples.js';

const IMAGES = 3;
/** One round: load, then rest, then a sample. The memory of slots goes back after a second of rest. */
const ROUND_MS = 30_000;
const REST_MS = 3000;
const CHANGE_EVERY_MS = 500;

/**
 * V8 lets garbage of up to 48 MiB lie in each thread, and takes that room when it likes. With 3 MiB the curve
 * shows what is kept.
 */
const FLAGS = ['--max-semi-space-size=1'];

/** A mount that is used from the beginning of the soak to its end. */
export class LongMount {
  readonly samples: Sample[] = [];
  readonly #settings: Settings;
  readonly #transport: Transport;
  readonly #random: Random;
  readonly #counts: Counts;

  constructor(settings: Settings, transport: Transport, random: Random, counts: Counts) {
    this.#settings = settings;
    this.#transport = transport;
    this.#random = random;
    this.#counts = counts;
  }

  /** @throws Error for the first fault */
  async run(isOver: () => boolean, roundMs = ROUND_MS): Promise<void> {
    const { parents, keep } = this.#settings;
    const place = new Place(parents[0], this.#transport, false);
    const faults: string[] = [];
    try {
      await this.#serve(place, isOver, roundMs);
      place.checkEnded();
    } catch (error) {
      faults.push(`the long mount: ${messageOf(error)}`, place.folder, ...place.facts());
      place.keep = keep;
    }
    faults.push(...(await place.end()));
    if (faults.length > 0) throw new Error(faults.join('\n  '));
  }

  async #serve(place: Place, isOver: () => boolean, roundMs: number): Promise<void> {
    const random = this.#random;
    const names = Array.from({ length: IMAGES }, (_, i) => `disk${i}`);
    const images = [];
    for (const name of names) images.push(await makeImage(place, random, name));
    const words = images.map(({ path }, i) => `${names[i]}=${path}`);
    const mounted = await place.mount(words, groupWords(random, names), { flags: FLAGS });
    this.#counts.mounts += 1;
    const agent = place.agent();
    const begin = Date.now();
    while (!isOver()) {
      checkNotEnding();
      const loads: Load[] = [];
      for (const [i, { model }] of images.entries()) {
        const fd = await agent.open(mounted.file(names[i]), constants.O_RDWR);
        loads.push(new Load(agent, fd, model, random, { depth: 1 + random.below(12) }));
      }
      for (const load of loads) load.start();
      const end = Date.now() + roundMs;
      while (Date.now() < end && !isOver()) {
        await delay(random.below(CHANGE_EVERY_MS));
        for (const load of loads) load.check();
        await changeGroups(mounted, agent, random, names);
        this.#counts.changes += 1;
      }
      for (const load of loads) {
        await load.stop();
        await load.close();
        this.#counts.add(load);
      }
      await delay(REST_MS);
      this.samples.push(sampleOf(mounted.pid, (Date.now() - begin) / 60_000));
    }
    await mounted.finish();
    for (const image of images) await place.verify(image);
    this.#counts.verified += images.length;
  }
}
