import type { GroupSnapshot, ImageSnapshot } from '../control/control.js';
import { NS_PER_US } from '../control/values.js';

/** JSON has no Infinity. */
const finite = (value: number): number | null => (value === Infinity ? null : value);

function figuresJson({ waitNs, queued, inflight, ...moved }: GroupSnapshot['total']): object {
  const { rbytes, wbytes, rios, wios, dbytes, dios } = moved;
  const waitUsec = waitNs / NS_PER_US;
  return { rbytes, wbytes, rios, wios, dbytes, dios, waitUsec, queued, inflight };
}

function pressureJson({ totalUs, ...averages }: GroupSnapshot['pressure']['some']): object {
  return { ...averages, totalUsec: totalUs };
}

function mountJson({ depth, window, cost }: NonNullable<GroupSnapshot['mount']>): object {
  return { depth: { mode: depth, window }, cost };
}

/** A group as JSON shows it; the manual describes it. */
export function groupJson(group: GroupSnapshot): object {
  const { limits, bursts, weight, minimum, latencyTarget } = group.settings;
  const { iopsSize, ...rates } = limits;
  const rateEntries = Object.entries(rates).map(([key, rate]) => [key, finite(rate)]);
  return {
    path: group.path || '/',
    limits: { ...Object.fromEntries(rateEntries), iopsSize: iopsSize === 0 ? null : iopsSize },
    bursts,
    weight,
    minimum,
    latencyUsec: finite(latencyTarget / NS_PER_US),
    pressure: { some: pressureJson(group.pressure.some), full: pressureJson(group.pressure.full) },
    ...(group.mount === undefined ? {} : mountJson(group.mount)),
    members: group.members.map(({ name, figures }) => ({ name, figures: figuresJson(figures) })),
    total: figuresJson(group.total),
  };
}

export function imageJson(image: ImageSnapshot): object {
  const { name, path, format, size, readOnly, passthrough } = image;
  return { name, path, format, size, readOnly, passthrough };
}

/** The lines of `.groups/daemon`. */
export function daemonJson(pid: number, fields: Readonly<Record<string, string>>): object {
  const { version = '', transport = '' } = fields;
  return { pid, version, transport };
}
