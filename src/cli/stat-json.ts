import type { GroupSnapshot } from '../control/control.js';
import { NS_PER_US } from '../control/values.js';
import { membersOf, type Times } from './stat-report.js';

/** JSON has no Infinity. */
const finite = (value: number): number | null => (value === Infinity ? null : value);

function figuresJson({ waitNs, queued, inflight, ...moved }: GroupSnapshot['total']): object {
  return { ...moved, waitUsec: waitNs / NS_PER_US, queued, inflight };
}

/** Times by direction, with keys as `io.times` has them. */
function timesJson(times: Times): object {
  const directions = Object.entries(times).map(([direction, spans]) => {
    const entries = Object.entries(spans).map(([span, { requests, bytes, wait, service }]) => {
      return [span, { requests, bytes, waitUsec: wait, serviceUsec: service }];
    });
    return [direction, Object.fromEntries(entries)];
  });
  return Object.fromEntries(directions);
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
    members: membersOf(group).map(({ name, figures, times }) => {
      return { name, figures: figuresJson(figures), times: timesJson(times) };
    }),
    total: figuresJson(group.total),
    times: timesJson(group.times.total),
  };
}
