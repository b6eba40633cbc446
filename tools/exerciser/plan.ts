import { MODEL_LIMIT } from './model.js';
import { Random } from './random.js';

export type Kind =
  | 'read'
  | 'write'
  | 'map-read'
  | 'map-write'
  | 'punch'
  | 'zero'
  | 'truncate'
  | 'resize-refused'
  | 'sync'
  | 'seek'
  | 'reopen';

/** One step of an exercise. It depends on the seed, its number and the size of the model only. */
export interface Operation {
  readonly number: number;
  kind: Kind;
  offset: number;
  /** Bytes; for `truncate` 0 and `offset` is the new size. */
  length: number;
  /** Index into LANES. */
  lane: number;
  /** Offset of the data in the pool of noise. */
  source: number;
  /** Offset of the memory from a page boundary. */
  skew: number;
  /** write and map-write: sync afterwards; sync: data only; zero: keep the size. */
  flag: boolean;
}

/** A descriptor that the exercise holds open. */
export interface Lane {
  readonly label: string;
  readonly writable: boolean;
  readonly direct: boolean;
}

/** Two of each kind that writes, so that effects of the order among descriptors show. */
const LANES: readonly Lane[] = [
  { label: 'buffered#0', writable: true, direct: false },
  { label: 'buffered#1', writable: true, direct: false },
  { label: 'read-only#2', writable: false, direct: false },
  { label: 'direct#3', writable: true, direct: true },
  { label: 'direct#4', writable: true, direct: true },
];

export function lanesOf(directFds: boolean): readonly Lane[] {
  return LANES.filter((lane) => directFds || !lane.direct);
}

/** The inputs of a plan besides seed, number and size. */
export interface PlanRules {
  seed: number;
  lanes: readonly Lane[];
  growable: boolean;
  fixed: boolean;
  mmap: boolean;
  punch: boolean;
  zeroRange: boolean;
  directAlign: number;
}

/** The longest transfer: more than two requests of 1 MiB, the largest that FUSE makes. */
export const MAX_TRANSFER = (2 << 20) + (1 << 18);
/** Size of the noise from which the data of writes is taken. */
export const POOL_BYTES = 1 << 23;

/** Kinds by weight. */
const KINDS: readonly Kind[] = [
  ...Array<Kind>(26).fill('read'),
  ...Array<Kind>(30).fill('write'),
  ...Array<Kind>(8).fill('map-read'),
  ...Array<Kind>(8).fill('map-write'),
  ...Array<Kind>(8).fill('punch'),
  ...Array<Kind>(6).fill('zero'),
  ...Array<Kind>(4).fill('truncate'),
  ...Array<Kind>(4).fill('sync'),
  ...Array<Kind>(6).fill('seek'),
  ...Array<Kind>(2).fill('reopen'),
];

/** The operation with this number on a file of `size` bytes. */
export function plan(rules: PlanRules, number: number, size: number): Operation {
  const random = new Random(rules.seed, number);
  const operation: Operation = {
    number,
    kind: pickKind(rules, random, size),
    offset: pickOffset(random, size),
    length: pickLength(random),
    lane: random.below(rules.lanes.length),
    source: random.below(POOL_BYTES - MAX_TRANSFER),
    skew: random.oneIn(2) ? 0 : random.below(4096),
    flag: random.oneIn(4),
  };
  if (changesFile(operation.kind)) operation.lane = writableLane(rules, operation.lane);
  place(rules, random, operation, size);
  align(rules, operation, size);
  return operation;
}

function changesFile(kind: Kind): boolean {
  return kind !== 'read' && kind !== 'map-read' && kind !== 'seek' && kind !== 'reopen';
}

function writableLane(rules: PlanRules, lane: number): number {
  let index = lane;
  while (!rules.lanes[index]!.writable) index = (index + 1) % rules.lanes.length;
  return index;
}

/** Replaces kinds that the file system does not support by reads and writes. */
function pickKind(rules: PlanRules, random: Random, size: number): Kind {
  const kind = KINDS[random.below(KINDS.length)]!;
  if (kind.startsWith('map') && (!rules.mmap || size === 0)) return 'write';
  if (kind === 'punch' && !rules.punch) return 'write';
  if (kind === 'zero' && !rules.zeroRange) return rules.punch ? 'punch' : 'write';
  if (kind === 'truncate' && rules.fixed) return 'resize-refused';
  if (kind === 'truncate' && !rules.growable) return 'read';
  return kind;
}

/** Half of the offsets fall on multiples of a page or sector; some places are hit often. */
function pickOffset(random: Random, size: number): number {
  const anywhere = random.below(size + 1);
  const place = random.below(16);
  let offset = anywhere;
  if (place < 4) offset = random.below(Math.min(size, 1 << 18));
  else if (place < 6) offset = size - random.below(1 << 16);
  else if (place < 8) offset = (anywhere & ~0xfffff) - 4096 + random.below(8192);
  offset = Math.min(Math.max(offset, 0), MODEL_LIMIT);
  const rounding = random.below(4);
  if (rounding === 0) return offset & ~4095;
  if (rounding === 1) return offset & ~511;
  return offset;
}

/** Small lengths are as likely as large ones; one in sixteen crosses a request of 1 MiB. */
function pickLength(random: Random): number {
  let length = 1 + random.below(2 ** (1 + random.below(17)));
  if (random.oneIn(16)) length = (1 << 20) + random.below(MAX_TRANSFER - (1 << 20));
  const rounding = random.below(4);
  if (rounding === 0) return Math.max(length & ~4095, 4096);
  if (rounding === 1) return Math.max(length & ~511, 512);
  return length;
}

/** Moves the range to a place that the kind of file allows. */
function place(rules: PlanRules, random: Random, operation: Operation, size: number): void {
  const { kind } = operation;
  if (kind === 'sync' || kind === 'reopen') return;
  if (kind === 'truncate' || kind === 'resize-refused') {
    operation.length = 0;
    // Mostly near the present size, because errors of truncating show in the last blocks.
    const near = Math.max(0, size - (1 << 20) + random.below(1 << 21));
    operation.offset = random.oneIn(4) ? random.below(MODEL_LIMIT) : near;
    operation.offset = Math.min(operation.offset, MODEL_LIMIT);
    if (kind === 'resize-refused' && operation.offset === size) operation.offset += 512;
    return;
  }
  if (kind === 'read' || kind === 'seek' || (kind === 'write' && rules.fixed)) {
    // Some begin at the end or past it.
    if (random.oneIn(24)) operation.offset = size + random.below(3) * 4096;
    if (random.oneIn(24)) operation.offset = Math.max(0, size - 512 * random.below(64));
    return;
  }
  if (rules.growable && (kind === 'write' || kind === 'zero' || kind === 'punch')) {
    if (random.oneIn(8)) operation.offset = size + random.below(1 << 18);
    operation.offset = Math.min(operation.offset, MODEL_LIMIT - 1);
    operation.length = Math.min(operation.length, MODEL_LIMIT - operation.offset);
    return;
  }
  operation.offset = Math.min(operation.offset, size - 1);
  operation.length = Math.min(operation.length, size - operation.offset);
}

/** Aligns O_DIRECT reads and writes as the file system requires. */
function align(rules: PlanRules, operation: Operation, size: number): void {
  const unit = rules.directAlign;
  if (operation.kind !== 'read' && operation.kind !== 'write') return;
  if (!rules.lanes[operation.lane]!.direct || unit === 1) return;
  operation.skew -= operation.skew % unit;
  operation.offset -= operation.offset % unit;
  operation.length = Math.max(unit, operation.length - (operation.length % unit));
  if (operation.kind === 'read' || rules.fixed) return;
  const end = rules.growable ? MODEL_LIMIT : size;
  if (operation.offset + operation.length > end) operation.offset = end - operation.length;
}
