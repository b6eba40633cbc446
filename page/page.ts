import { CallerRates, type CallerRow } from '../src/cli/top/callers.js';
import type { PageGroup, PageState } from '../src/server/page-state.js';
import { Chart, History } from './charts.js';
import { Settings } from './settings.js';
import { briefOf, fillCallers, fillGroups, focusOn } from './tables.js';
import { bytes, requests, time } from './words.js';

const byId = (id: string): HTMLElement => document.getElementById(id)!;

/** Curves of a group, by their places. */
const values = (group: PageGroup): (number | null)[] => [
  ...[group.read, group.written, group.reads, group.writes],
  ...[group.wait.p99, group.service.p99, group.queued, group.inflight],
];
const whole = (value: number): string => requests(value);
const CHARTS = [
  new Chart('bytes', ['read', 'written'], bytes),
  new Chart('requests', ['reads', 'writes'], whole),
  new Chart('times', ['waiting', 'service'], time),
  new Chart('queue', ['waiting', 'in flight'], whole),
];
const history = new History();
const settings = new Settings();
const rates = new CallerRates<PageState['callers'][number]>();
let callers: CallerRow<PageState['callers'][number]>[] = [];
let state: PageState | null = null;
let chosen = '/';

function choose(path: string): void {
  chosen = path;
  show();
}

function show(): void {
  if (state === null) return;
  const { groups, more, mountpoint, version, images, canWrite } = state;
  if (!groups.some(({ path }) => path === chosen)) chosen = '/';
  byId('mount').textContent = mountpoint;
  const hidden = more === 0 ? '' : `; ${more} groups are not shown`;
  byId('about').textContent = `${version}; images: ${images.join(', ') || 'none'}${hidden}`;
  byId('chosen').textContent = chosen;
  const group = groups.find(({ path }) => path === chosen);
  byId('cause').textContent = `It waits for ${group?.cause ?? 'nothing'}.`;
  byId('brief').textContent = group === undefined ? '' : briefOf(group);
  fillGroups(byId('groups'), groups, chosen, choose);
  fillCallers(byId('callers'), callers);
  settings.show(group, canWrite);
  for (const [index, chart] of CHARTS.entries()) {
    chart.show(history.pair(chosen, 2 * index, 2 * index + 1));
  }
}

function tell(text: string, isLost: boolean): void {
  const place = byId('state');
  if (place.textContent === text) return;
  place.textContent = text;
  place.className = isLost ? 'lost' : '';
}

const events = new EventSource('events');
events.addEventListener('message', ({ data }) => {
  const now = JSON.parse(data) as PageState | null;
  if (now === null) {
    tell('The mount is being made ...', false);
    return;
  }
  state = now;
  tell('Live', false);
  const groups = now.groups.map((group) => ({ path: group.path, values: values(group) }));
  history.add(now.time / 1000, groups);
  callers = rates.next(now.callers, now.time);
  show();
});
events.addEventListener('error', () => tell('The daemon does not answer; trying again ...', true));

byId('groups').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || state === null) return;
  event.preventDefault();
  const paths = state.groups.map(({ path }) => path);
  const next = paths[paths.indexOf(chosen) + step];
  if (next === undefined) return;
  choose(next);
  focusOn(byId('groups'), next);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const chart of CHARTS) chart.draw();
});
