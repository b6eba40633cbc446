import type { Reply, Report } from '../../src/lease/lease.js';
import { NOT_SHARED, type Rates, stepDown } from '../../src/lease/rates.js';
import { EXPIRY_MS, FEW_HOSTS, GAP_MS, HOSTS_PER_MS, IDLE_PART } from '../../src/lease/script.js';
import { RATES } from '../../src/throttle/limits.js';

/** What the books have of a host. */
interface Host {
  id: string;
  expires: number;
  seq: number;
  weight: number;
  limits: Rates;
  wants: Rates;
  held: Rates;
}

const newVector = (value: number): number[] => RATES.map(() => value);

/** The store's script in TypeScript, step by step, for the simulator. A test holds both against each other. */
export class Ledger {
  #hosts = new Map<string, Host>();
  #run: string | null = null;
  #last = 0;
  #learn = 0;
  #at = -1e15;
  #n = 0;
  #limit = newVector(NOT_SHARED);
  #level = newVector(-1);
  #need = newVector(0);
  #sum = newVector(0);
  #weights = newVector(0);

  /** The books as they are now, for a store that will be restored from them. */
  copy(): Ledger {
    const copy = new Ledger();
    for (const [id, host] of this.#hosts) copy.#hosts.set(id, { ...host });
    [copy.#run, copy.#last, copy.#learn] = [this.#run, this.#last, this.#learn];
    [copy.#at, copy.#n] = [this.#at, this.#n];
    copy.#limit = [...this.#limit];
    copy.#level = [...this.#level];
    copy.#need = [...this.#need];
    copy.#sum = [...this.#sum];
    copy.#weights = [...this.#weights];
    return copy;
  }

  /** Takes a report. `run` names the life of the store since it was started. */
  take(report: Report, now: number, run: string): Reply {
    const { id, seq, weight, leaves, limits, wants, held } = report;
    if (this.#run !== run || now < this.#last || now - this.#last > GAP_MS) this.#forget(now, run);
    const before = this.#hosts.get(id);
    if (before !== undefined && seq <= before.seq) return { state: 'stale', peers: 0, grants: [] };
    this.#last = now;
    RATES.forEach((_, d) => {
      if (before !== undefined && before.limits[d]! >= 0) {
        this.#sum[d] = this.#sum[d]! - before.held[d]!;
        this.#weights[d] = this.#weights[d]! - before.weight;
      }
      if (leaves || limits[d]! < 0) return;
      this.#sum[d] = this.#sum[d]! + held[d]!;
      this.#weights[d] = this.#weights[d]! + weight;
      const limit = this.#limit[d]!;
      this.#limit[d] = limit < 0 ? limits[d]! : Math.min(limit, limits[d]!);
    });
    const own = { id, expires: now + EXPIRY_MS, seq, weight, limits, wants, held };
    this.#n += (leaves ? 0 : 1) - (before === undefined ? 0 : 1);
    if (leaves) this.#hosts.delete(id);
    else this.#hosts.set(id, own);
    if (now - this.#at >= (this.#n - FEW_HOSTS) / HOSTS_PER_MS) this.#divide(now);
    if (leaves) return { state: 'left', peers: 0, grants: [] };
    const learns = now < this.#learn;
    const grants = limits.map((limit, d) => (limit >= 0 ? this.#grant(own, d, learns) : limit));
    own.held = held.map((rate, d) => Math.max(rate, grants[d]!));
    own.held.forEach((kept, d) => {
      if (limits[d]! >= 0) this.#sum[d] = this.#sum[d]! + kept - held[d]!;
    });
    return { state: learns ? 'learning' : 'granted', peers: this.#n, grants };
  }

  #forget(now: number, run: string): void {
    this.#hosts.clear();
    [this.#run, this.#learn, this.#at, this.#n] = [run, now + EXPIRY_MS, -1e15, 0];
    for (const vector of [this.#limit, this.#level]) vector.fill(-1);
    for (const vector of [this.#need, this.#sum, this.#weights]) vector.fill(0);
  }

  #asked({ wants, weight }: Host, d: number): number {
    const limit = this.#limit[d]!;
    return Math.min(limit, Math.max(wants[d]!, (limit * weight) / this.#weights[d]! / IDLE_PART));
  }

  #target(host: Host, d: number): number {
    const [asked, level] = [this.#asked(host, d), this.#level[d]!];
    return stepDown(level >= 0 ? Math.min(asked, level * host.weight) : asked);
  }

  #grant(host: Host, d: number, learns: boolean): number {
    const free = this.#limit[d]! - this.#sum[d]!;
    const [target, held] = [this.#target(host, d), host.held[d]!];
    if (target > held) return learns || free <= 0 ? held : Math.min(target, held + free);
    return free < 0 || (!learns && this.#need[d]! > free) ? target : held;
  }

  #divide(now: number): void {
    for (const { id, expires } of this.#hosts.values()) if (now >= expires) this.#hosts.delete(id);
    this.#at = now;
    this.#n = this.#hosts.size;
    RATES.forEach((_, d) => {
      const sharing = [...this.#hosts.values()].filter(({ limits }) => limits[d]! >= 0);
      this.#weights[d] = sharing.reduce((sum, { weight }) => sum + weight, 0);
      this.#sum[d] = sharing.reduce((sum, { held }) => sum + held[d]!, 0);
      this.#limit[d] = sharing.reduce(
        (least, { limits }) => (least < 0 ? limits[d]! : Math.min(least, limits[d]!)),
        NOT_SHARED,
      );
      this.#level[d] = -1;
      const order = sharing.map((host) => ({ ratio: this.#asked(host, d) / host.weight, host }));
      order.sort((a, b) => a.ratio - b.ratio || (a.host.id < b.host.id ? -1 : 1));
      let [rest, left] = [this.#limit[d]!, this.#weights[d]!];
      for (const { ratio, host } of order) {
        if (ratio * left > rest) {
          this.#level[d] = rest / left;
          break;
        }
        rest -= ratio * host.weight;
        left -= host.weight;
      }
      this.#need[d] = order.reduce(
        (sum, { host }) => sum + Math.max(0, this.#target(host, d) - host.held[d]!),
        0,
      );
    });
  }
}
