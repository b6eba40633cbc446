// From the place of a slider to the value of a setting, and back.

/** The scale of a slider: each step is by the same factor. */
export interface Scale {
  /** The last place. */
  readonly steps: number;
  /** Undefined: no limit. */
  value(place: number): number | undefined;
  place(value: number | undefined): number;
  /** As `sluice set` has it. */
  text(value: number | undefined): string;
}

const STEPS = 200;
const UNITS = [
  ['G', 2 ** 30],
  ['M', 2 ** 20],
  ['K', 2 ** 10],
] as const;

/** A value that reads well: two digits that count. */
function rounded(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / unit) * unit;
}

function scale(
  least: number,
  most: number,
  hasNone: boolean,
  round: (value: number) => number,
  text: Scale['text'],
): Scale {
  const factor = Math.log(most / least) / STEPS;
  return {
    steps: hasNone ? STEPS + 1 : STEPS,
    value: (place) => (place > STEPS ? undefined : round(least * Math.exp(factor * place))),
    place: (value) => {
      if (value === undefined) return STEPS + 1;
      return Math.min(STEPS, Math.max(0, Math.round(Math.log(value / least) / factor)));
    },
    text,
  };
}

/** The exact text of a value. */
export const limitText = (value: number | undefined): string =>
  value === undefined ? 'max' : String(value);

/** A size by the largest unit that has it whole. */
function sizeText(value: number | undefined): string {
  const [unit, bytes] = UNITS.find(([, one]) => value !== undefined && value % one === 0) ?? [];
  return bytes === undefined ? limitText(value) : `${value! / bytes}${unit}`;
}

/** Bytes that `sizeText` writes with few digits. */
function roundedSize(value: number): number {
  const [, bytes] = UNITS.find(([, one]) => value >= 10 * one) ?? UNITS.at(-1)!;
  return rounded(value / bytes) * bytes;
}

export const WEIGHT = scale(1, 10_000, false, rounded, limitText);
const BYTES = scale(2 ** 16, 2 ** 34, true, roundedSize, sizeText);
const REQUESTS = scale(1, 1e6, true, rounded, limitText);

/** The limits of a group, in the words of `sluice set`. */
export const LIMITS = [
  ['bps', 'Bytes/s', BYTES],
  ['rbps', 'Bytes/s read', BYTES],
  ['wbps', 'Bytes/s written', BYTES],
  ['iops', 'Requests/s', REQUESTS],
  ['riops', 'Reads/s', REQUESTS],
  ['wiops', 'Writes/s', REQUESTS],
] as const;
