import uPlot from 'uplot';
import { bytes } from './words.js';

/** Points of a curve: five minutes. */
const POINTS = 300;
const HEIGHT = 180;
/** Steps between the lines of a scale of bytes: round in the units in which bytes are written. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);
/** Time that a chart shows when it is new. */
const LEAST_SECONDS = 60;

/** Curves of a group: seconds, then values; null where there is none. */
export type Curves = (number | null)[][];

const clock = (seconds: number): string => new Date(1000 * seconds).toTimeString().slice(0, 8);

/** Without data the last minute: uPlot has null for both then. */
function timeRange(least: number | null, most: number | null): [number, number] {
  const end = most ?? Date.now() / 1000;
  return [Math.min(least ?? end, end - LEAST_SECONDS), end];
}

const css = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A chart of two curves over the last five minutes. */
export class Chart {
  readonly #place: HTMLElement;
  readonly #labels: readonly [string, string];
  readonly #format: (value: number) => string;
  readonly #steps: { incrs?: number[] };
  #plot: uPlot | null = null;
  #data: Curves = [[], [], []];

  constructor(id: string, labels: readonly [string, string], format: (value: number) => string) {
    this.#place = document.getElementById(id)!;
    this.#labels = labels;
    this.#format = format;
    this.#steps = format === bytes ? { incrs: BYTE_STEPS } : {};
    this.draw();
    new ResizeObserver(() => {
      this.#plot?.setSize({ width: this.#place.clientWidth, height: HEIGHT });
    }).observe(this.#place);
  }

  show(data: Curves): void {
    this.#data = data;
    const plot = this.#plot;
    plot?.setData(data as uPlot.AlignedData);
    // Nobody points at a moment: the legend tells the last one.
    // uPlot fills it at the end of this turn.
    queueMicrotask(() => {
      if (plot !== null && plot.cursor.idx == null) plot.setLegend({ idx: data[0]!.length - 1 });
    });
  }

  /** Draws anew, with the colours of now. */
  draw(): void {
    this.#plot?.destroy();
    const axis = { stroke: css('--dim'), grid: { stroke: css('--line') }, ticks: { show: false } };
    const value = (_: uPlot, one: number | null): string =>
      one === null ? '-' : this.#format(one);
    const colours = [css('--first'), css('--second')];
    const series = this.#labels.map((label, index) => {
      const dash = index === 0 ? {} : { dash: [6, 3] };
      return {
        label,
        value,
        stroke: colours[index]!,
        width: 1.5,
        points: { show: false },
        spanGaps: true,
        ...dash,
      };
    });
    const options: uPlot.Options = {
      width: this.#place.clientWidth,
      height: HEIGHT,
      cursor: { drag: { x: false, y: false } },
      scales: {
        x: { range: (_, least, most) => timeRange(least, most) },
        y: { range: (_, __, most) => [0, most > 0 ? 1.1 * most : 1] },
      },
      axes: [
        { ...axis, space: 90, values: (_, splits) => splits.map(clock) },
        {
          ...axis,
          ...this.#steps,
          size: 76,
          values: (_, splits) => splits.map((one) => this.#format(one)),
        },
      ],
      series: [{ value: (_, one) => (one === null ? '-' : clock(one)) }, ...series],
    };
    this.#plot = new uPlot(options, this.#data as uPlot.AlignedData, this.#place);
  }
}

/** The history of all groups, by path. */
export class History {
  readonly #groups = new Map<string, Curves>();

  /** Adds the values of a moment. A group that is gone is forgotten. */
  add(
    seconds: number,
    groups: readonly { path: string; values: readonly (number | null)[] }[],
  ): void {
    const paths = new Set(groups.map(({ path }) => path));
    for (const path of this.#groups.keys()) if (!paths.has(path)) this.#groups.delete(path);
    for (const { path, values } of groups) {
      const curves = this.#groups.get(path) ?? [[], ...values.map(() => [])];
      this.#groups.set(path, curves);
      for (const [index, value] of [seconds, ...values].entries()) curves[index]!.push(value);
      while (curves[0]!.length > POINTS) for (const curve of curves) curve.shift();
    }
  }

  /** Two of a group's curves, by their places among its values. */
  pair(path: string, first: number, second: number): Curves {
    const curves = this.#groups.get(path) ?? [];
    return [0, first + 1, second + 1].map((place) => curves[place] ?? []);
  }
}
