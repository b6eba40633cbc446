// Figures as people read them.

function short(value: number, base: number, units: readonly string[]): string {
  let rest = value;
  let power = 0;
  while (power + 1 < units.length && Math.round(rest * 10) / 10 >= base) {
    rest /= base;
    power++;
  }
  return `${Math.round(rest * 10) / 10}${units[power]}`;
}

export const bytes = (count: number): string =>
  short(count, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB']);

export const requests = (count: number): string => short(count, 1000, ['', 'k', 'M', 'G']);

/** @param us null: there was no request. */
export const time = (us: number | null): string =>
  us === null ? '-' : short(us, 1000, [' us', ' ms', ' s']);

export const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

export const wholePercent = (part: number): string => `${Math.round(100 * part)} %`;
