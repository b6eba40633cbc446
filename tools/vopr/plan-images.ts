import type { Random } from '../exerciser/random.js';
import { FORMAT_KINDS, PARTITIONS } from './format-kinds.js';
import { KINDS, type Kind, type KnownPartition, MANY_PIECES } from './image-kinds.js';
import type { Wishes } from './plan.js';
import type { Tight } from './tight.js';
import type { TightDeath } from './tight-deaths.js';
import { FAR, GROWING, TIGHT_KINDS, WIDE } from './tight-kinds.js';

const KIB = 1 << 10;
const MIB = 1 << 20;

export interface ImagePlan {
  name: string;
  /** Number in TEMPLATES. */
  template: number;
  growable: boolean;
  /** It lies at the beginning of a block device full of old data. */
  onDevice: boolean;
  /** Views of parts of it, in sectors: disks of their own. */
  views: { name: string; start: number; length: number }[];
  /** It can get longer by an order. */
  resizable: boolean;
  /** It comes as the overlay of the image below it, and sometimes as a new one. */
  overlaid: boolean;
  /**
   * Its sizes are multiples of this, in bytes: a raw file is not opened for larger blocks than it ends with, and a server has whole
   * blocks.
   */
  unit: number;
}

/** Kinds of images: a title, and how they can be used. */
export interface Template {
  title: string;
  /** Null: a raw image of `size` bytes. */
  kind: Kind | null;
  size: number;
  partitions: readonly KnownPartition[];
  alignments: readonly number[];
  longest: number;
  grows: boolean;
}

function raw(title: string, size: number): Template {
  const alignments = size % 4096 === 0 ? [1, 512, 4096] : [1];
  const kind = null;
  return { title, kind, size, partitions: [], alignments, longest: 256 * KIB, grows: true };
}

function ofKind(kind: Kind): Template {
  const { title, alignments, longest, growth, partitions = [] } = kind;
  return { title, kind, size: 0, partitions, alignments, longest, grows: growth !== undefined };
}

export const TEMPLATES: readonly Template[] = [
  raw('raw', MIB),
  raw('raw, small', 64 * KIB),
  raw('raw, no whole sectors', 300 * KIB + 77),
  raw('raw, empty', 0),
  ...KINDS.map(ofKind),
  ...FORMAT_KINDS.map(ofKind),
  { ...raw('raw, with partitions', MIB), partitions: PARTITIONS, grows: false },
  ...TIGHT_KINDS.map(ofKind),
];

/** Those that any run can have; only runs in which something is tight have the others. */
const USUAL_TEMPLATES = TEMPLATES.length - TIGHT_KINDS.length;

/** Kinds that came later are chosen by other numbers, so that seeds that failed once go on choosing the same. */
const EARLY_TEMPLATES = 35;
/** There were so many when `Wishes.early` seeds failed. */
const LATE_TEMPLATES = 36;

/** Random numbers for what came to the plan later; null: none of it. */
interface LaterImages {
  late: Random;
  servers: Random | null;
  overlays: Random | null;
  deaths: Random | null;
  tight: Tight | null;
  tightDeath: TightDeath | null;
  /** Most images of a run with deaths are qcow2, and not raw. */
  hasRedo: boolean;
}

/** Images that can go on after the death of a daemon when they are written: raw ones, and by a redo log. */
const PARTITIONED = USUAL_TEMPLATES - 1;
const RAW = [0, 0, 1, 2, 3, PARTITIONED];

/** The images of a run; those of a run with servers are raw, and most of a run with deaths. */
export function makeImages(
  random: Random,
  { late, servers, overlays, deaths, tight, tightDeath, hasRedo }: LaterImages,
  { template, early, fixed }: Wishes,
): ImagePlan[] {
  const many = random.oneIn(40);
  const count = many
    ? 10 + random.below(random.oneIn(4) ? 210 : 30)
    : 1 + random.below(random.oneIn(3) ? 4 : 1);
  const isKept = deaths !== null && (!deaths.oneIn(4) || tightDeath !== null);
  const images: ImagePlan[] = [];
  for (let i = 0; i < count; i++) {
    const drawn = many ? random.below(4) : random.below(EARLY_TEMPLATES);
    const any = late.below(early === true ? LATE_TEMPLATES : USUAL_TEMPLATES);
    // Of many images most are small.
    const usual = many && drawn === 0 && i % 8 > 0 ? 1 : drawn;
    // Beside an image that is only read all others are only read.
    const isUsual = any < EARLY_TEMPLATES || many || (count > 1 && isReadOnly(any));
    const asDrawn = isUsual ? usual : any;
    const isOfTable = tightDeath === 'partitions' && !many;
    const other = isKept ? keptTemplate(deaths, hasRedo, many) : asDrawn;
    const kept = isOfTable ? PARTITIONED : other;
    const usualOrTight = tight === null ? kept : (tightTemplate(tight, many, late) ?? kept);
    const number = template ?? (servers === null ? usualOrTight : many ? 1 : servers.below(2));
    const { grows } = TEMPLATES[number]!;
    const growable = servers === null && grows && (random.oneIn(2) || tight === 'barriers');
    const views: ImagePlan['views'] = [];
    if (servers === null && !isKept && !growable && number === 0 && random.oneIn(3)) {
      const start = random.below(700) * 512;
      views.push({ name: `i${i}.p1`, start, length: (1 + random.below(1000)) * 512 });
      if (random.oneIn(2)) views.push({ name: `i${i}.p2`, start: start + 512, length: 64 * KIB });
    }
    const { kind } = TEMPLATES[number]!;
    const isOnDevice = kind !== null && !growable && random.oneIn(5) && kind.endsEarly !== true;
    const onDevice = isOnDevice && kind.format === undefined;
    const isFixed = early === true || fixed === true || onDevice || views.length > 0;
    const resizable = TEMPLATES[number]!.grows && !isFixed;
    images.push({
      name: `i${i}`,
      template: number,
      growable,
      onDevice,
      views,
      resizable,
      overlaid: overlays?.oneIn(2) === true && !onDevice && kind?.below !== undefined,
      unit: servers === null ? 1 : 512,
    });
  }
  return images;
}

/** The numbers of kinds of qcow2 images. */
const QCOW2 = KINDS.map(numberOf);

function numberOf(kind: Kind): number {
  return TEMPLATES.findIndex((one) => one.kind === kind);
}

/** The template of an image where something is tight, mostly one that shows it. Null: any. */
function tightTemplate(tight: Tight, many: boolean, random: Random): number | null {
  if (many) return null;
  if (tight === 'far') return numberOf(FAR);
  if (tight === 'shorts' && random.oneIn(2)) return numberOf(WIDE);
  if (tight === 'flushes' && random.oneIn(2)) return numberOf(MANY_PIECES);
  if (tight === 'barriers' && !random.oneIn(4)) {
    return numberOf(GROWING[random.below(GROWING.length)]!);
  }
  const isQcow2 = tight !== 'refusals' && tight !== 'tables' && !random.oneIn(4);
  return isQcow2 ? QCOW2[random.below(QCOW2.length)]! : null;
}

function keptTemplate(random: Random, hasRedo: boolean, many: boolean): number {
  if (hasRedo && !many) return QCOW2[random.below(QCOW2.length)]!;
  return RAW[random.below(many ? 5 : RAW.length)]!;
}

/** A qcow2 image that is written. */
export function hasRedoLog(template: number): boolean {
  const { kind } = TEMPLATES[template]!;
  return kind !== null && kind.format === undefined && kind.readOnly !== true;
}

export function isReadOnly(template: number): boolean {
  return TEMPLATES[template]!.kind?.readOnly === true;
}
