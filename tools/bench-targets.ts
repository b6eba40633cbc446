import { BENCH_CASES } from './bench-cases.js';
import type { CaseResult } from './bench-run.js';
import type { Server } from './lib/servers.js';

/** The target for one figure. */
export interface Target {
  title: string;
  /** `at least 3 x`, `under 10 %`. */
  asked: string;
  /** Null when one of its servers failed. */
  measured: number | null;
  unit: 'x' | '%' | 'calls';
  met: boolean | null;
}

type Kind = Server['kind'];

/** The server name of Sluice in the mode for machines that forbid io_uring. */
const NATIVE = 'sluice fuse-native';

/** The server name of Sluice with the image passed through: as fast as the file, at every depth. */
const PASSED = 'sluice passthrough';
const PASSED_LEAST = 0.9;

/** The server name of Sluice over an NBD server. */
const NBD = 'sluice nbd memory';

/** Lower bounds for the ratio of sluice to another server, per case. */
const RATIOS: readonly { id: string; of?: string; against: Kind; least: number }[] = [
  { id: 'tmpfs/randread-qd1', against: 'qemu', least: 1 },
  { id: 'tmpfs/randread-qd32', against: 'qemu', least: 3 },
  { id: 'tmpfs/randread-4x32', against: 'qemu', least: 4 },
  { id: 'tmpfs/randwrite-4x32', against: 'qemu', least: 4 },
  { id: 'tmpfs/read-1m-qd8', against: 'qemu', least: 4 },
  { id: 'tmpfs/randread-qd1', against: 'host', least: 0.15 },
  { id: 'tmpfs/randread-qd32', against: 'host', least: 0.55 },
  { id: 'tmpfs/randread-4x32', against: 'host', least: 0.3 },
  { id: 'tmpfs/read-1m-qd8', against: 'host', least: 0.4 },
  { id: 'disk/randread-qd32', against: 'host', least: 0.75 },
  { id: 'disk/randread-4x32', against: 'host', least: 0.92 },
  { id: 'tmpfs/randread-qd1', of: NATIVE, against: 'plain-native', least: 1 },
  { id: 'tmpfs/randread-qd32', of: NATIVE, against: 'plain-native', least: 1.5 },
  { id: 'tmpfs/randread-4x32', of: NATIVE, against: 'plain-native', least: 1 },
  { id: 'tmpfs/randwrite-4x32', of: NATIVE, against: 'plain-native', least: 1 },
  { id: 'tmpfs/read-1m-qd8', of: NATIVE, against: 'plain-native', least: 1 },
  { id: 'tmpfs/randread-qd1', of: NBD, against: 'nbd-memory', least: 0.8 },
  { id: 'tmpfs/randread-qd32', of: NBD, against: 'nbd-memory', least: 2 },
  { id: 'tmpfs/randread-4x32', of: NBD, against: 'nbd-memory', least: 2 },
  ...BENCH_CASES.map(({ id }) => ({
    id,
    of: PASSED,
    against: 'host' as const,
    least: PASSED_LEAST,
  })),
];

/** Upper bound for the user time of the daemon in percent of its CPU time: the cost of JavaScript. */
const USER_PERCENT = 10;
const USER_CASES = ['tmpfs/randread-4x32', 'tmpfs/randwrite-4x32'];

/** Upper bounds for the system calls of the daemon for a request. */
const CALLS: readonly { id: string; most: number }[] = [
  { id: 'tmpfs/randread-qd1', most: 2 },
  { id: 'tmpfs/randread-4x32', most: 0.2 },
];

/** Median of `of` divided by the median of `name`; null when either is missing. */
export function ratio(result: CaseResult | undefined, name: string, of = 'sluice'): number | null {
  const ours = result?.servers[of]?.figure?.median;
  const theirs = result?.servers[name]?.figure?.median;
  return ours === undefined || !theirs ? null : ours / theirs;
}

/**
 * Judges every target whose case and servers are in this run; each qemu mode is a line of its own.
 */
export function judge(
  results: readonly CaseResult[],
  servers: readonly Pick<Server, 'name' | 'kind'>[],
): Target[] {
  const byId = new Map(results.map((result) => [result.id, result]));
  const isRun = (of = 'sluice'): boolean => servers.some(({ name }) => name === of);
  const asked = RATIOS.filter(({ id, of }) => byId.has(id) && isRun(of));
  const ratios = asked.flatMap(({ id, of, against, least }) =>
    servers
      .filter(({ kind }) => kind === against)
      .map((server): Target => {
        const measured = ratio(byId.get(id), server.name, of);
        const met = measured === null ? null : measured >= least;
        const title = `${id}${of === undefined ? '' : `, ${of}`} against ${server.name}`;
        return { title, asked: `at least ${least} x`, measured, unit: 'x', met };
      }),
  );
  const shares = USER_CASES.filter((id) => byId.has(id)).map((id): Target => {
    const measured = byId.get(id)?.servers.sluice?.userPercent?.median ?? null;
    const met = measured === null ? null : measured < USER_PERCENT;
    const title = `${id}, user time of the daemon`;
    return { title, asked: `under ${USER_PERCENT} %`, measured, unit: '%', met };
  });
  const calls = CALLS.filter(({ id }) => byId.has(id)).map(({ id, most }): Target => {
    const measured = byId.get(id)?.servers.sluice?.callsPerRequest ?? null;
    const met = measured === null ? null : measured <= most;
    return {
      title: `${id}, system calls a request`,
      asked: `at most ${most}`,
      measured,
      unit: 'calls',
      met,
    };
  });
  return [...ratios, ...shares, ...calls];
}
