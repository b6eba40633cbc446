import type { CallerRow } from '../src/cli/top/callers.js';
import type { PageGroup, PageState } from '../src/server/page-state.js';
import { bytes, percent, requests, time, wholePercent } from './words.js';

type Caller = CallerRow<PageState['callers'][number]>;
type Cell = string | HTMLElement;

interface Column<Row> {
  title: string;
  cell: (row: Row) => Cell;
  /** Classes: `text`, `minor` (not on a phone), `command`. */
  kind?: string;
}

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function meter(part: number, title: string): HTMLElement {
  const made = document.createElement('meter');
  made.value = Math.min(1, part);
  made.title = title;
  made.textContent = title;
  return made;
}

function limitText({ key, rate, limit }: NonNullable<PageGroup['limit']>): string {
  const format = key.includes('bps') ? bytes : requests;
  return `${key} ${format(rate)} of ${format(limit)}`;
}

function limitOf({ limit }: PageGroup): Cell {
  if (limit === null) return '-';
  const text = limitText(limit);
  const cell = element('span', `${text} `);
  cell.append(meter(limit.rate / limit.limit, text));
  return cell;
}

function shareOf({ share }: PageGroup): string {
  return share === null ? '-' : `${wholePercent(share.got)} (${wholePercent(share.asked)})`;
}

/** The root has no siblings to share with. */
const weightOf = ({ path, weight }: PageGroup): string => (path === '/' ? '-' : String(weight));

/** What the table leaves out on a phone, of one group. */
export function briefOf(group: PageGroup): string {
  const { limit, path, share, queued } = group;
  const parts = [
    path === '/' ? [] : [`weight ${weightOf(group)}`],
    share === null ? [] : [`share ${shareOf(group)}`],
    limit === null ? [] : [limitText(limit)],
    [`${queued} queued`],
  ];
  return parts.flat().join('; ');
}

const GROUPS: readonly Column<PageGroup>[] = [
  { title: 'Reading', cell: ({ read }) => `${bytes(read)}/s` },
  { title: 'Writing', cell: ({ written }) => `${bytes(written)}/s` },
  { title: 'Requests', cell: ({ reads, writes }) => `${requests(reads + writes)}/s` },
  { title: 'Limit', cell: limitOf, kind: 'minor' },
  { title: 'Weight', cell: weightOf, kind: 'minor' },
  { title: 'Share (due)', cell: shareOf, kind: 'minor' },
  { title: 'Wait', cell: ({ wait }) => time(wait.mean) },
  { title: 'Service', cell: ({ service }) => time(service.mean), kind: 'minor' },
  { title: 'Queued', cell: ({ queued }) => String(queued), kind: 'minor' },
  { title: 'In flight', cell: ({ inflight }) => String(inflight), kind: 'minor' },
  { title: 'Pressure', cell: ({ pressure }) => `${pressure.toFixed(1)} %`, kind: 'minor' },
];

const mean = (ns: number | null): string => time(ns === null ? null : ns / 1000);

const CALLERS: readonly Column<Caller>[] = [
  { title: 'PID', cell: ({ caller: { pid } }) => (pid === 0 ? '-' : String(pid)) },
  { title: 'Lately', cell: ({ caller }) => percent(caller.recent) },
  { title: 'Reading', cell: ({ read }) => `${bytes(read)}/s` },
  { title: 'Writing', cell: ({ written }) => `${bytes(written)}/s` },
  { title: 'Requests', cell: (row) => `${requests(Math.round(row.requests))}/s`, kind: 'minor' },
  { title: 'Wait', cell: ({ waitNs }) => mean(waitNs), kind: 'minor' },
  { title: 'Service', cell: ({ serviceNs }) => mean(serviceNs), kind: 'minor' },
  { title: 'User', cell: ({ caller }) => userOf(caller), kind: 'minor' },
  { title: 'Command', cell: ({ caller }) => caller.command, kind: 'text command' },
];

const userOf = ({ uid, pid }: Caller['caller']): string => (pid === 0 ? '-' : String(uid));

function fill<Row>(
  table: HTMLElement,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  isChosen: (row: Row) => boolean = () => false,
): void {
  const cells = (name: string, texts: readonly Cell[]): HTMLElement[] =>
    texts.map((text, index) => {
      const made = element(name, typeof text === 'string' ? text : '');
      if (typeof text !== 'string') made.append(text);
      made.className = columns[index]!.kind ?? '';
      // What is cut off can be read, too.
      if (made.classList.contains('command')) made.title = made.textContent ?? '';
      return made;
    });
  const line = (name: string, texts: readonly Cell[]): HTMLElement => {
    const made = document.createElement('tr');
    made.append(...cells(name, texts));
    return made;
  };
  const titles = line(
    'th',
    columns.map(({ title }) => title),
  );
  const lines = rows.map((row) => {
    const made = line(
      'td',
      columns.map(({ cell }) => cell(row)),
    );
    if (isChosen(row)) made.className = 'chosen';
    return made;
  });
  // A selection, of a command line to copy, stays.
  const selection = document.getSelection();
  if (selection?.isCollapsed === false && table.contains(selection.anchorNode)) return;
  table.replaceChildren(titles, ...lines);
}

/** The table of groups, in which one is chosen. */
export function fillGroups(
  table: HTMLElement,
  groups: readonly PageGroup[],
  chosen: string,
  choose: (path: string) => void,
): void {
  const focused = (document.activeElement as HTMLElement | null)?.dataset.path;
  const name: Column<PageGroup> = {
    title: 'Group',
    kind: 'text',
    cell: ({ path }) => {
      const button = element('button', path) as HTMLButtonElement;
      button.dataset.path = path;
      button.setAttribute('aria-pressed', String(path === chosen));
      button.addEventListener('click', () => choose(path));
      return button;
    },
  };
  fill(table, [name, ...GROUPS], groups, ({ path }) => path === chosen);
  if (focused !== undefined) focusOn(table, focused);
}

export function focusOn(table: HTMLElement, path: string): void {
  for (const button of table.querySelectorAll('button')) {
    if (button.dataset.path === path) button.focus({ preventScroll: true });
  }
}

export function fillCallers(table: HTMLElement, callers: readonly Caller[]): void {
  fill(table, CALLERS, callers);
}
