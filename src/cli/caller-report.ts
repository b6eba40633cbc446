import { NS_PER_US } from '../control/values.js';
import type { Caller } from '../server/caller-names.js';
import { formatCount, formatSize, formatTime } from '../util/units.js';
import { type Column, formatTable } from './table.js';

/** A command line may be long: it is the last column, and cut. */
const COMMAND_MAX = 80;
/** Of a long cgroup the end is shown: it tells one from its neighbours. */
const CGROUP_MAX = 32;

export const requestsOf = ({ rios, wios, dios }: Caller): number => rios + wios + dios;

const mean = (caller: Caller, ns: number): string =>
  requestsOf(caller) === 0 ? '-' : formatTime(ns / NS_PER_US / requestsOf(caller));

function cut(text: string): string {
  return text.length > COMMAND_MAX ? `${text.slice(0, COMMAND_MAX - 3)}...` : text;
}

function cutStart(text: string): string {
  return text.length > CGROUP_MAX ? `...${text.slice(3 - CGROUP_MAX)}` : text;
}

const COLUMNS: readonly Column<Caller>[] = [
  { title: 'PID', cell: ({ pid }) => (pid === 0 ? '-' : pid) },
  { title: 'UID', cell: ({ uid, pid }) => (pid === 0 ? '-' : uid) },
  { title: 'LATELY', cell: ({ recent }) => `${(100 * recent).toFixed(1)} %` },
  { title: 'READ', cell: ({ rbytes }) => formatSize(rbytes) },
  { title: 'WRITTEN', cell: ({ wbytes }) => formatSize(wbytes) },
  { title: 'REQUESTS', cell: (caller) => formatCount(requestsOf(caller)) },
  { title: 'WAIT', cell: (caller) => mean(caller, caller.waitNs) },
  { title: 'SERVICE', cell: (caller) => mean(caller, caller.serviceNs) },
  { title: 'LONGEST', cell: ({ longestNs }) => formatTime(longestNs / NS_PER_US) },
  { title: 'FOR', cell: ({ followedNs }) => formatTime(followedNs / NS_PER_US) },
  { title: 'CGROUP', cell: ({ cgroup }) => cutStart(cgroup) || '-', isText: true },
  { title: 'COMMAND', cell: ({ command }) => cut(command), isText: true },
];

/** The table of `sluice stat --callers`. */
export function formatCallerTable(callers: readonly Caller[]): string {
  if (callers.length === 0) return 'No process has made a request.\n';
  return formatTable(COLUMNS, callers);
}
