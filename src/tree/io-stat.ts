import type { Control } from '../control/control.js';
import type { GroupFigures } from '../control/figures.js';
import type { Stats } from '../throttle/stats.js';
import type { Group } from '../throttle/throttle.js';

/** The content of `io.stat`: a line for each member of the group, and the group's total. */
export function formatStats(control: Control, group: Group): string {
  const { throttle } = control;
  const lines = control
    .members(group)
    .map((member) => formatLine(throttle.memberName(member), throttle.memberStats(member)));
  lines.push(formatLine('total', throttle.groupStats(group)));
  return lines.join('\n');
}

/** Lines of figures that are logged at a time: a mount may have thousands of groups. */
const FIGURE_LINES_MAX = 1000;

/** The lines of `io.stat` of all groups, each with the group's path before it. */
export function formatReport(groups: Iterable<GroupFigures>): string[] {
  const lines: string[] = [];
  for (const { path, members, total } of groups) {
    if (lines.length >= FIGURE_LINES_MAX) return [...lines, 'more groups follow: see sluice stat'];
    const shown = path === '' ? '/' : path;
    for (const { name, figures } of members) lines.push(`${shown}: ${formatLine(name, figures)}`);
    lines.push(`${shown}: ${formatLine('total', total)}`);
  }
  return lines;
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
