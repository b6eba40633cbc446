import type { ImageSnapshot } from '../control/control.js';
import type { ListedMount } from '../server/list-mounts.js';
import { oneLine } from '../util/one-line.js';
import { formatSize } from '../util/units.js';
import { type Column, formatTable } from './table.js';

/** A path may be longer: it moves its own row only. */
const MOST_NAME = 32;

/** An image of a mount; without one, what there is to say instead. */
interface Row {
  mount: ListedMount;
  image: ImageSnapshot | null;
}

const STATES: Readonly<Record<ListedMount['state'], string>> = {
  alive: 'no image',
  dead: 'its daemon is gone; remove it with sluice umount',
  hung: 'its daemon does not answer',
};

const COLUMNS: readonly Column<Row>[] = [
  { title: 'MOUNT', cell: ({ mount }) => oneLine(mount.mountpoint), isText: true, most: MOST_NAME },
  { title: 'PID', cell: ({ mount }) => mount.pid ?? '-' },
  { title: 'TRANSPORT', cell: ({ mount }) => mount.transport ?? '-', isText: true },
  { title: 'KEEPER', cell: ({ mount }) => mount.keeper ?? '-', isText: true },
  { title: 'AGE', cell: ({ mount }) => formatAge(mount.ageSeconds) },
  { title: 'REQUESTS/S', cell: ({ mount }) => formatRate(mount.requestsPerSecond) },
  {
    title: 'IMAGE',
    cell: ({ image }) => oneLine(image?.name ?? '-'),
    isText: true,
    most: MOST_NAME,
  },
  { title: 'SIZE', cell: ({ image }) => (image === null ? '-' : formatSize(image.size)) },
  {
    title: 'PATH',
    cell: ({ mount, image }) => (image === null ? `(${STATES[mount.state]})` : describePath(image)),
    isText: true,
  },
];

/** The path of an image, and what is to be known of it beside. */
export function describePath({ path, faults, cache }: ImageSnapshot): string {
  const near = cache ? ` (cache: ${oneLine(cache.path)})` : '';
  return oneLine(path) + near + (faults ? ` (FAULTS: ${faults.words})` : '');
}

/** A line for each image of each mount; '' without a mount. */
export function formatList(mounts: readonly ListedMount[]): string {
  const rows = mounts.flatMap((mount): Row[] => {
    if (mount.images.length === 0) return [{ mount, image: null }];
    return mount.images.map((image) => ({ mount, image }));
  });
  return rows.length === 0 ? '' : formatTable(COLUMNS, rows);
}

const UNITS: readonly (readonly [word: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
];

/** `3d4h`, `4h5m`, `5m6s`, `6s`: the two largest units. */
function formatAge(seconds: number | null): string {
  if (seconds === null) return '-';
  const first = UNITS.findIndex(([, unit]) => seconds >= unit);
  let rest = seconds;
  const parts = UNITS.slice(first < 0 ? UNITS.length - 1 : first).slice(0, 2);
  const words = parts.map(([word, unit]) => {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    return `${count}${word}`;
  });
  return words.join('');
}

function formatRate(rate: number | null): string {
  return rate === null ? '-' : String(Math.round(rate));
}
