import { readdirSync, readFileSync } from 'node:fs';
import { median } from '../lib/stats.js';

/** What a daemon takes of the machine at one time. */
export interface Sample {
  /** Minutes since the soak began. */
  minute: number;
  /** Resident memory of its own, without pages of files, MiB. */
  rssMib: number;
  descriptors: number;
  /** Its own; the kernel starts and ends more of them for io_uring as it likes. */
  threads: number;
}

/** The columns of a sample that must stay flat, and how far they may rise. */
export const CURVES = [
  {
    key: 'rssMib',
    title: 'resident memory, MiB',
    mayRise: (from: number) => Math.max(16, from / 8),
  },
  { key: 'descriptors', title: 'descriptors', mayRise: () => 0 },
  { key: 'threads', title: 'threads', mayRise: () => 0 },
] as const;

/** Takes a sample of a process. */
export function sampleOf(pid: number, minute: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rss = Number(/^RssAnon:\s+(\d+)/m.exec(status)![1]);
  const task = `/proc/${pid}/task`;
  const threads = readdirSync(task).filter((id) => isOwn(`${task}/${id}`)).length;
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  return { minute, rssMib: rss / 1024, descriptors, threads };
}

/** Of a thread that ends meanwhile: no. */
function isOwn(task: string): boolean {
  try {
    return !readFileSync(`${task}/comm`, 'utf8').startsWith('iou-');
  } catch {
    return false;
  }
}

/** Fewer samples say nothing. */
const LEAST_SAMPLES = 6;

/**
 * Compares the last third of the samples with the first one. The very first sample is left out: caches fill
 * in the beginning.
 *
 * @returns Sentences about what has grown
 */
export function growthOf(name: string, samples: readonly Sample[]): string[] {
  const counted = samples.slice(1);
  if (counted.length < LEAST_SAMPLES) return [];
  const third = Math.floor(counted.length / 3);
  return CURVES.flatMap(({ key, title, mayRise }) => {
    const from = median(counted.slice(0, third).map((sample) => sample[key]));
    const to = median(counted.slice(-third).map((sample) => sample[key]));
    if (to <= from + mayRise(from)) return [];
    return [`${name}: ${title} rose from ${from.toFixed(1)} to ${to.toFixed(1)}`];
  });
}

/** The samples of several daemons as comma-separated values. */
export function toCsv(curves: ReadonlyMap<string, readonly Sample[]>): string {
  const lines = ['daemon,minute,rss_mib,descriptors,threads'];
  for (const [name, samples] of curves) {
    for (const { minute, rssMib, descriptors, threads } of samples) {
      lines.push(`${name},${minute.toFixed(2)},${rssMib.toFixed(1)},${descriptors},${threads}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
