import * as abi from '../../src/fuse/abi.js';
import { getU64 } from '../../src/fuse/wire.js';
import type { DiskConfig } from '../../src/plane/disk.js';
import type { Random } from '../exerciser/random.js';
import { open } from './callers.js';
import { makeGroup, writeFile } from './control-callers.js';
import { type Disk, type Image, pause, type Stay, type Steps } from './disks.js';
import type { SessionPlan } from './plan.js';
import * as body from './requests.js';
import { ask, Gone, type Scene } from './scene.js';
import { tightLimit } from './tight.js';
import { smallBurst } from './tight-deaths.js';
import { Failure } from './world.js';

/** How often rules come and go in a session that has some from the start. */
const RULE_MOVES = 10;

/** What a preparation knows. */
export interface PreparationParts {
  plan: SessionPlan;
  images: readonly Image[];
  configs: readonly DiskConfig[];
  /** Some disks are opened twice. */
  opensAgain: boolean;
  random: Random;
  /** For what came to the plan later. */
  extras: Random;
}

/** Opens the disks of a session, and makes its groups and rules. */
export class Preparation {
  readonly #parts: PreparationParts;
  /** Rules about callers, and the group of each. */
  readonly #rules = new Map<string, string>();

  constructor(parts: PreparationParts) {
    this.#parts = parts;
  }

  /** Callers have rules, which can be moved. */
  get hasRules(): boolean {
    return this.#rules.size > 0;
  }

  /** Looks all disks up, opens them, and makes groups with limits. */
  *prepare(scene: Scene): Steps {
    const { plan, images, configs, opensAgain, random, extras } = this.#parts;
    const { disks } = scene;
    try {
      for (const config of configs) {
        const image = images.find((one) => config.name.split('.')[0] === one.plan.name)!;
        if (image.stay !== null) yield* openDisk(scene, image, image.stay, config);
      }
      for (const image of images) yield* openPartitions(scene, image);
      if (opensAgain && disks.length < 5) yield* this.#openAgain(scene);
      for (let group = 0; group < plan.groups; group++) {
        yield* makeGroup(scene, `g${group}`);
        if (random.oneIn(2)) {
          const limit = 100 + random.below(10_000);
          yield* writeFile(scene, `g${group}/io.max`, `iops=${limit}`);
        }
        const disk = disks[random.below(disks.length)]!;
        yield* writeFile(scene, `g${group}/members`, disk.name);
      }
      for (const [index, weight] of (plan.weights ?? []).entries()) {
        yield* makeGroup(scene, `fair${index}`);
        yield* writeFile(scene, `fair${index}/io.weight`, String(weight));
        yield* writeFile(scene, `fair${index}/members`, disks[index]!.name);
      }
      if (plan.tight === 'tables') yield* this.#limitAll(scene);
      if (plan.tight === 'bursts') yield* this.#giveBursts(scene);
      const { groups, weights } = plan;
      if (groups > 0 && weights === null && extras.oneIn(3)) yield* this.#makeRules(scene);
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }

  /** Each disk is in a group that lets few requests go. */
  *#limitAll(scene: Scene): Steps {
    for (const [index, { name }] of scene.disks.entries()) {
      yield* makeGroup(scene, `tight${index}`);
      yield* writeFile(scene, `tight${index}/io.max`, `iops=${tightLimit(this.#parts.extras)}`);
      yield* writeFile(scene, `tight${index}/members`, name);
    }
  }

  /** Each disk is in a group whose burst is soon used up. */
  *#giveBursts(scene: Scene): Steps {
    for (const [index, { name }] of scene.disks.entries()) {
      const { limit, rate, seconds } = smallBurst(this.#parts.extras);
      const group = `tight${index}`;
      yield* makeGroup(scene, group);
      yield* writeFile(scene, `${group}/io.max`, `iops=${limit}`);
      yield* writeFile(scene, `${group}/io.burst`, `iops=${rate}/${seconds}`);
      yield* writeFile(scene, `${group}/members`, name);
    }
  }

  /** Opens some disks a second time: a handle of its own, which is told of failed flushes by itself. */
  *#openAgain(scene: Scene): Steps {
    for (const disk of [...scene.disks]) {
      if (!this.#parts.extras.oneIn(2)) continue;
      const again = { ...disk };
      yield* open(scene, again);
      scene.disks.push(again);
    }
  }

  /** A rule for nearly every caller, so that there are many members. */
  *#makeRules(scene: Scene): Steps {
    const rules = ['gid:0'];
    for (let id = 0; id < 4; id++) rules.push(`uid:${id}`, `cgroup:/c${id}`, `pid:${1 + id}`);
    for (const rule of rules) yield* this.#placeRule(scene, rule);
  }

  *#placeRule(scene: Scene, rule: string): Steps {
    const group = `g${this.#parts.extras.below(Math.min(6, this.#parts.plan.groups))}`;
    this.#rules.set(rule, group);
    yield* writeFile(scene, `${group}/members`, rule);
  }

  /** A caller that removes rules and makes them again, so that their numbers are reused, and sets limits. */
  *moveRules(scene: Scene): Steps {
    try {
      for (let step = 0; step < RULE_MOVES; step++) {
        yield pause(scene.world, this.#parts.extras.below(20e6));
        const rules = [...this.#rules];
        for (let i = 0; i < 2; i++) {
          const [rule, group] = rules[this.#parts.extras.below(rules.length)]!;
          yield* writeFile(scene, `${group}/members`, `-${rule}`);
          yield* this.#placeRule(scene, rule);
        }
        const group = `g${this.#parts.extras.below(Math.min(6, this.#parts.plan.groups))}`;
        yield* writeFile(scene, `${group}/io.max`, `iops=${50 + this.#parts.extras.below(1000)}`);
      }
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
    }
  }
}

/** @returns Whether there is a file of the name. */
function* openDisk(
  scene: Scene,
  image: Image,
  stay: Stay,
  { name, start, length }: Pick<Disk, 'name' | 'start' | 'length'>,
): Steps<boolean> {
  const asked = yield* ask(scene, {
    opcode: abi.LOOKUP,
    node: abi.ROOT_ID,
    body: body.nameBody(`${name}.raw`),
  });
  if (asked.error !== 0) return false;
  const node = getU64(new DataView(asked.payload.buffer), abi.ENTRY_OUT_NODEID);
  const { readOnly } = stay;
  const disk = { name, image, stay, start, length, readOnly, node, handle: 0 };
  yield* open(scene, disk);
  scene.disks.push(disk);
  return true;
}

/** The daemon has found each partition, unless the table may be lost. */
function* openPartitions(scene: Scene, image: Image): Steps {
  const { stay } = image;
  if (stay === null || !image.isTableKnown) return;
  for (const { number, start, length } of image.template.partitions) {
    const name = `${image.plan.name}.p${number}`;
    const place = { start: start * 512, length: length * 512 };
    const isThere = yield* openDisk(scene, image, stay, { name, ...place });
    if (!isThere && !image.hasLost && image.stay === stay) {
      throw new Failure(`there is no disk ${name}`);
    }
  }
}

/** Opens the files of an image that has been attached. */
export function* openImage(scene: Scene, image: Image, config: DiskConfig): Steps {
  const { stay } = image;
  if (!(yield* openDisk(scene, image, stay!, config))) {
    throw new Failure(`${config.name} is attached, and there is no file of it`);
  }
  yield* openPartitions(scene, image);
}
