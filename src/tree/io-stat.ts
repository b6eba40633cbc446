import type { Stats } from '../throttle/stats.js';
import type { Group } from '../throttle/throttle.js';
import type { Control } from './control.js';

/** The content of `io.stat`: a line for each member of the group, and the group's total. */
export function formatStats(control: Control, group: Group): string {
  const { throttle } = control;
  const lines = control
    .members(group)
    .map((member) => formatLine(throttle.memberName(member), throttle.memberStats(member)));
  lines.push(formatLine('total', throttle.groupStats(group)));
  return lines.join('\n');
}

/** Bytes and requests admitted so far; `wait_usec` is the sum of times spent waiting in groups. */
function formatLine(name: string, stats: Stats): string {
  const fields = [
    `rbytes=${stats.rbytes}`,
    `wbytes=${stats.wbytes}`,
    `rios=${stats.rios}`,
    `wios=${stats.wios}`,
    `dbytes=${stats.dbytes}`,
    `dios=${stats.dios}`,
    `wait_usec=${Math.round(stats.waitNs / 1000)}`,
    `queued=${stats.queued}`,
    `inflight=${stats.inflight}`,
  ];
  return `${name} ${fields.join(' ')}`;
}
