import { randomUUID } from 'node:crypto';
import type { FigureReader, Found } from '../control/figures.js';
import type { GroupConfig } from '../control/set-up-groups.js';
import { type StoreTarget, storeKey } from '../lease/address.js';
import { Demand, SAMPLE_MS } from '../lease/demand.js';
import { type Fault, putSharedFigures, type SharedFigureMemory } from '../lease/figures.js';
import { Lease, type LeaseStep, type Report } from '../lease/lease.js';
import { mapRates, NOT_SHARED, type Rates } from '../lease/rates.js';
import { Store, StoreError } from '../lease/store.js';
import type { SharedConfig } from '../lease/words.js';
import type { Stats } from '../throttle/figure-rows.js';
import { type Limits, RATES, type RateKey } from '../throttle/limits.js';
import { describeError } from '../util/errors.js';
import type { Log } from './log.js';
import type { PlaneRunner } from './plane-thread.js';

/** How long the end of a mount waits for the store to hear that this host leaves. */
const LEAVE_MS = 300;

/** The first answer that fails to come is no news: the connection is being made. */
const SILENCE_MS = 1000;

type Plane = Pick<PlaneRunner, 'order'> & { readonly figures: Pick<FigureReader, 'find'> };
type Connection = Pick<Store, 'report' | 'close'>;

/** A fault that comes again within this time is not told again, so that one that comes and goes does not fill the log. */
const TELL_MS = 60_000;

/** What each rate counts. Discards are charged as writes. */
const COUNTS: Readonly<Record<RateKey, (total: Stats) => number>> = {
  rbps: ({ rbytes }) => rbytes,
  wbps: ({ wbytes, dbytes }) => wbytes + dbytes,
  bps: ({ rbytes, wbytes, dbytes }) => rbytes + wbytes + dbytes,
  riops: ({ rios }) => rios,
  wiops: ({ wios, dios }) => wios + dios,
  iops: ({ rios, wios, dios }) => rios + wios + dios,
};
const BYTES_OF = { riops: 'rbps', wiops: 'wbps', iops: 'bps' } as const;

/** What a group has used, as its limits count. A request above iops_size counts as several, at most so many. */
function usedOf(total: Stats, { iopsSize }: Limits): Rates {
  return RATES.map((key) => {
    const count = COUNTS[key](total);
    if (iopsSize === 0 || !(key in BYTES_OF)) return count;
    return count + COUNTS[BYTES_OF[key as keyof typeof BYTES_OF]](total) / iopsSize;
  });
}

const sharedRates = (limits: Limits): Rates =>
  RATES.map((key) => (limits[key] === Infinity ? NOT_SHARED : limits[key]));

const toLimits = (rates: Rates): Partial<Limits> =>
  Object.fromEntries(
    RATES.flatMap((key, place) => (rates[place]! < 0 ? [] : [[key, rates[place]!]])),
  );

/** A group whose limits hosts share, as the user gave it. */
interface SharedGroup {
  path: string;
  shared: SharedConfig;
}

/** Its lease, and all that belongs to it. */
interface Member {
  readonly path: string;
  readonly config: SharedConfig;
  readonly store: Connection;
  readonly lease: Lease;
  readonly demand: Demand;
  readonly figures: SharedFigureMemory;
  wants: Rates;
  /** What held at the last look. */
  held: Rates;
  fault: Fault;
  /** When each kind of fault was told last. */
  readonly toldAt: Map<Fault, number>;
  /** Whether the present fault was told, and whether that it is over is to be told. */
  isTold: boolean;
  owesEnd: boolean;
  /** Since when reports have failed; null: the last one did not. */
  failingSince: number | null;
  timer: NodeJS.Timeout | null;
}

/**
 * Keeps the leases of all groups whose limits hosts share: looks at their counters, reports to the store, and
 * tells the data plane what holds. All on the main thread.
 */
export class SharedGroups {
  readonly #groups: readonly SharedGroup[];
  /** By their keys; groups of the same store have one connection. */
  readonly #stores = new Map<string, Connection>();
  #plane!: Plane;
  #log!: Pick<Log, 'info' | 'warn'>;
  readonly #members = new Map<string, Member>();
  readonly #gone = new Set<string>();
  #looks: NodeJS.Timeout | null = null;
  #isBroken = false;

  private constructor(groups: readonly SharedGroup[]) {
    this.#groups = groups;
  }

  /**
   * Begins to connect to the stores of those groups that hosts share.
   *
   * @param connect For tests.
   * @throws SluiceError for a file of passwords or certificates that cannot be read
   */
  static open(
    groups: readonly GroupConfig[],
    connect: (target: StoreTarget) => Connection = Store.open,
  ): SharedGroups {
    const shared = groups.flatMap(({ path, shared }) => (shared ? [{ path, shared }] : []));
    const all = new SharedGroups(shared);
    try {
      for (const { target } of shared.map((one) => one.shared)) {
        const key = storeKey(target);
        if (!all.#stores.has(key)) all.#stores.set(key, connect(target));
      }
    } catch (error) {
      void all.stop();
      throw error;
    }
    return all;
  }

  /** The data plane runs, or will soon. */
  start(plane: Plane, log: Pick<Log, 'info' | 'warn'>): void {
    this.#plane = plane;
    this.#log = log;
    this.#looks = setInterval(() => this.#guard(() => this.#look()), SAMPLE_MS);
    // The mount alone decides when the process ends.
    this.#looks.unref();
  }

  /** Gives everything back; the data plane has ended. A second call does nothing. */
  async stop(): Promise<void> {
    if (this.#looks !== null) clearInterval(this.#looks);
    this.#looks = null;
    const now = performance.now();
    const members = [...this.#members.values()];
    this.#members.clear();
    const left = members.map(({ store, lease, config, timer }) => {
      if (timer !== null) clearTimeout(timer);
      return store.report(config.target.key, lease.leave(now)).catch(() => null);
    });
    const late = new Promise((resolve) => setTimeout(resolve, LEAVE_MS).unref());
    await Promise.race([Promise.all(left), late]);
    for (const store of this.#stores.values()) store.close();
    this.#stores.clear();
  }

  #look(): void {
    for (const group of this.#groups) {
      if (this.#gone.has(group.path)) continue;
      const found = this.#plane.figures.find(group.path);
      const member = this.#members.get(group.path);
      if (found === null || found.shared === null) {
        if (member !== undefined) this.#removed(member);
      } else this.#lookAt(member ?? this.#begin(group, found, found.shared), found);
    }
  }

  #begin({ path, shared }: SharedGroup, { settings }: Found, figures: SharedFigureMemory): Member {
    const { weight, safePart, target } = shared;
    const limits = sharedRates(settings.limits);
    const lease = new Lease({ id: randomUUID(), weight, safePart }, limits);
    const member: Member = {
      ...{ path, config: shared, lease, figures, demand: new Demand(), wants: limits },
      ...{ held: lease.rates, fault: 'none', failingSince: null, timer: null },
      ...{ toldAt: new Map(), isTold: false, owesEnd: false },
      store: this.#stores.get(storeKey(target))!,
    };
    this.#members.set(path, member);
    return member;
  }

  /** Its folder was removed. */
  #removed({ path, store, lease, config, timer }: Member): void {
    if (timer !== null) clearTimeout(timer);
    this.#members.delete(path);
    this.#gone.add(path);
    store.report(config.target.key, lease.leave(performance.now())).catch(() => null);
  }

  #lookAt(member: Member, { settings, total }: Found): void {
    const { lease, demand } = member;
    const limits = sharedRates(settings.limits);
    lease.setLimits(limits);
    const used = usedOf(total, settings.limits);
    const held = mapRates(limits, (d) => Math.min(member.held[d]!, lease.rates[d]!));
    const usage = { used, queued: total.queued, inflight: total.inflight };
    member.wants = demand.sample(performance.now(), usage, held, limits);
    member.held = lease.rates;
    this.#turn(member);
  }

  #turn(member: Member): void {
    const { lease } = member;
    const { apply, report } = lease.turn(performance.now(), member.wants);
    this.#apply(member, apply);
    if (report !== null) void this.#send(member, report);
    this.#show(member);
    this.#arm(member);
  }

  /** A mistake in here ends no mount: what holds stays, and then what is safe. It is told once. */
  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!this.#isBroken) this.#log.warn(`shared groups: ${describeError(error)}`);
      this.#isBroken = true;
    }
  }

  /** A larger grant, the end of a lease and what is given back have times of their own. */
  #arm(member: Member): void {
    if (member.timer !== null) clearTimeout(member.timer);
    member.timer = null;
    const wait = member.lease.dueAt - performance.now();
    if (wait >= SAMPLE_MS || this.#looks === null) return;
    member.timer = setTimeout(
      () => {
        member.timer = null;
        if (this.#members.get(member.path) === member) this.#guard(() => this.#turn(member));
      },
      Math.max(1, wait),
    );
    member.timer.unref();
  }

  #apply(member: Member, apply: LeaseStep['apply']): void {
    if (apply === null) return;
    const { path, lease } = member;
    const granted = toLimits(apply.rates);
    void this.#plane.order({ kind: 'grant', group: path, granted }).then(({ error }) => {
      if (error === null && lease.confirmed(apply.number, performance.now())) this.#turn(member);
    });
  }

  async #send(member: Member, report: Report): Promise<void> {
    const { store, config, lease } = member;
    try {
      const reply = await store.report(config.target.key, report);
      this.#apply(member, lease.answered(report.seq, reply, performance.now()));
      this.#answers(member);
    } catch (error) {
      lease.failed(report.seq);
      const { fault, message } = error instanceof StoreError ? error : asFault(error);
      this.#fails(member, fault, message);
    }
    this.#show(member);
    this.#arm(member);
  }

  #answers(member: Member): void {
    member.failingSince = null;
    member.fault = 'none';
    if (!member.owesEnd) return;
    member.owesEnd = false;
    this.#log.info(`shared group ${member.path || '/'}: ${member.config.target.url} answers again`);
  }

  #fails(member: Member, fault: Fault, why: string): void {
    const now = performance.now();
    member.failingSince ??= now;
    if (fault === 'lost' && now - member.failingSince < SILENCE_MS) return;
    if (member.fault !== fault) member.isTold = false;
    member.fault = fault;
    if (member.isTold || now < (member.toldAt.get(fault) ?? -Infinity) + TELL_MS) return;
    member.toldAt.set(fault, now);
    [member.isTold, member.owesEnd] = [true, true];
    const { path, config } = member;
    const what = 'the last grant holds until it expires, and then what is safe';
    this.#log.warn(`shared group ${path || '/'}: ${config.target.url}: ${why}; ${what}`);
  }

  #show({ lease, fault, figures }: Member): void {
    const { state, rates: granted, wants: wanted, peers, answeredAt, storeMs } = lease;
    const isNew = Number.isNaN(answeredAt);
    putSharedFigures(figures, {
      ...{ state, fault, granted, wanted, peers },
      ageMs: isNew ? null : performance.now() - answeredAt,
      storeMs: isNew ? null : storeMs,
    });
  }
}

function asFault(error: unknown): { fault: Fault; message: string } {
  return { fault: 'refused', message: error instanceof Error ? error.message : String(error) };
}
