import { Lease, type Reply, type Report } from '../../src/lease/lease.js';
import { firstPart, NOT_SHARED, type Rates, stepDown } from '../../src/lease/rates.js';
import { LEASE_MS } from '../../src/lease/script.js';
import { RATES } from '../../src/throttle/limits.js';
import { EventQueue } from '../simulator/event-queue.js';
import { randomNumbers } from '../simulator/random.js';
import { Ledger } from './ledger.js';

/** The one rate that the simulated group limits, and its limit. */
const PLACE = RATES.indexOf('iops');
const LIMIT = 1_000_000;

/** How often a host looks at its demand, ms of its clock. */
const LOOK_MS = 50;

/** The longest time for which a host stands still, and in which its data plane takes a rate, ms. */
const STOP_MS = 900;
const TAKE_MS = 3;

/** The longest delay of a message, ms. A longer one would reach from the faults far into the calm. */
const LATE_MS = 6000;

/** Faults stop this long before the end, so that it shows whether all is well again. */
const CALM_MS = 12_000;

export interface Faults {
  /** The part of the messages that is lost, and that comes twice. */
  loss: number;
  twice: number;
  /** Mean delay of a message, ms. One in a hundred takes up to a hundred times as long. */
  delayMs: number;
  /** How far clocks may run wrong, as a part: 0.01. */
  drift: number;
  /** Chance in each second that a host is cut off, is killed, stands still, and that another one comes. */
  cut: number;
  kill: number;
  stop: number;
  /** Chance in each second that the store cannot be reached, is restarted empty or with old books, sets its clock. */
  lost: number;
  restart: number;
  restore: number;
  step: number;
}

export interface Outcome {
  /** The most that all hosts had together, beyond what they may without a grant, over the limit. */
  worst: number;
  /** The same, what is allowed without a grant included. */
  worstTotal: number;
  /** The least that a host has had without a grant, over what is safe for it. */
  leastSafe: number;
  /** In the last second: what all had over the limit, and the least of a host with demand over its fair part. */
  used: number;
  least: number;
  reports: number;
}

const only = (rate: number): Rates => RATES.map((_, d) => (d === PLACE ? rate : NOT_SHARED));

interface Host {
  lease: Lease;
  wants: Rates;
  weight: number;
  /** Local time is `offset + rate * time`. */
  offset: number;
  rate: number;
  alive: boolean;
  cutUntil: number;
  stoppedUntil: number;
  /** The largest rate that may pass now. */
  passes: number;
  /** What it may have without a grant; 0 when the others have given way to it. */
  free: number;
  /** When they have. Infinity: it has no grant, or has just got one that is still to be counted. */
  freeUntil: number;
  /** The part of the limit that is safe. */
  part: number;
  /** When an answer came last. */
  heardAt: number;
}

/** One group on many hosts and one store, over a network that loses, delays and doubles messages. */
export class Simulation {
  readonly #random: () => number;
  readonly #faults: Faults;
  readonly #safePart: number | null;
  readonly #queue = new EventQueue();
  readonly #actions = new Map<number, () => void>();
  #lastAction = 0;
  readonly #hosts: Host[] = [];
  #lastHost = 0;
  #ledger = new Ledger();
  /** As they were written to a disk at some time. */
  #books = new Ledger();
  #run = 1;
  #storeOffset = 1e9;
  #now = 0;
  readonly #end: number;
  #sum = 0;
  #free = 0;
  #worst = 0;
  #worstTotal = 0;
  #leastSafe = Infinity;
  #reports = 0;

  constructor(seed: number, hosts: number, ms: number, faults: Faults, safePart: number | null) {
    this.#random = randomNumbers(seed);
    this.#faults = faults;
    this.#end = ms;
    this.#safePart = safePart;
    for (let count = 0; count < hosts; count++) this.#addHost();
    this.#fault();
  }

  run(): Outcome {
    while (this.#queue.nextTime <= this.#end) {
      this.#now = this.#queue.nextTime;
      const action = this.#queue.pop();
      const run = this.#actions.get(action)!;
      this.#actions.delete(action);
      run();
    }
    const alive = this.#hosts.filter((host) => host.alive);
    const wanting = alive.filter(({ wants }) => wants[PLACE]! >= LIMIT);
    const weights = alive.reduce((sum, { weight }) => sum + weight, 0);
    const parts = wanting.map(({ passes, weight }) => passes / ((LIMIT * weight) / weights));
    return {
      worst: this.#worst / LIMIT,
      worstTotal: this.#worstTotal / LIMIT,
      leastSafe: this.#leastSafe,
      used: this.#sum / LIMIT,
      least: Math.min(...parts),
      reports: this.#reports,
    };
  }

  get #isCalm(): boolean {
    return this.#now >= this.#end - CALM_MS;
  }

  #at(time: number, run: () => void): void {
    this.#actions.set(++this.#lastAction, run);
    this.#queue.push(Math.max(time, this.#now), this.#lastAction);
  }

  #between(least: number, most: number): number {
    return least + (most - least) * this.#random();
  }

  #addHost(): void {
    const random = this.#random;
    const id = `host${++this.#lastHost}`;
    const weight = [100, 100, 100, 50, 400][Math.floor(random() * 5)]!;
    const host: Host = {
      lease: new Lease({ id, weight, safePart: this.#safePart }, only(LIMIT)),
      wants: only(0),
      weight,
      offset: this.#between(-1e7, 1e7),
      rate: 1 + this.#between(-1, 1) * this.#faults.drift,
      alive: true,
      cutUntil: 0,
      stoppedUntil: 0,
      passes: 0,
      freeUntil: -Infinity,
      free: 0,
      part: firstPart(this.#safePart),
      heardAt: this.#now,
    };
    this.#hosts.push(host);
    this.#setPasses(host, host.lease.rates[PLACE]!);
    this.#demand(host);
    this.#at(this.#now + this.#between(0, LOOK_MS), () => this.#look(host));
  }

  /** Every host has other wishes from time to time; in the end those of the first half are without bound. */
  #demand(host: Host): void {
    if (!host.alive) return;
    const kind = this.#isCalm
      ? (this.#hosts.filter(({ alive }) => alive).indexOf(host) % 2) * 3
      : Math.floor(this.#random() * 4);
    const wants = [LIMIT, LIMIT, this.#between(0, LIMIT / 10), 0][kind]!;
    host.wants = only(wants);
    const next = this.#isCalm ? Infinity : this.#now + this.#between(50, 5000);
    if (next < Infinity) this.#at(next, () => this.#demand(host));
  }

  #local(host: Host): number {
    return host.offset + host.rate * this.#now;
  }

  /** A look at the demand, and everything that is due by then. */
  #look(host: Host): void {
    if (!host.alive) return;
    if (this.#now < host.stoppedUntil) {
      this.#at(host.stoppedUntil, () => this.#look(host));
      return;
    }
    this.#checkSafe(host);
    this.#turn(host);
    this.#at(this.#now + LOOK_MS / host.rate, () => this.#look(host));
  }

  #turn(host: Host): void {
    if (!host.alive || this.#now < host.stoppedUntil) return;
    const { apply, report } = host.lease.turn(this.#local(host), host.wants);
    this.#setFree(host);
    this.#apply(host, apply);
    if (report !== null) this.#send(host, report);
    this.#arm(host);
  }

  /** A raise and the end of a lease have times of their own. */
  #arm(host: Host): void {
    const wait = (host.lease.dueAt - this.#local(host)) / host.rate;
    if (wait < LOOK_MS) this.#at(this.#now + Math.max(0.1, wait), () => this.#turnIfDue(host));
  }

  #turnIfDue(host: Host): void {
    if (this.#local(host) >= host.lease.dueAt) this.#turn(host);
  }

  #apply(host: Host, apply: { number: number; rates: Rates } | null): void {
    if (apply === null) return;
    const rate = apply.rates[PLACE]!;
    this.#setPasses(host, Math.max(host.passes, rate));
    this.#at(this.#now + this.#between(0, TAKE_MS), () => {
      if (!host.alive) return;
      if (host.lease.rates === apply.rates) this.#setPasses(host, rate);
      if (host.lease.confirmed(apply.number, this.#local(host))) this.#turn(host);
    });
  }

  #setPasses(host: Host, rate: number): void {
    this.#sum += rate - host.passes;
    host.passes = rate;
    this.#setFree(host);
    this.#check();
  }

  /**
   * The store cannot know of a host without a grant, so the bound is larger by what is safe for it. When the
   * host has a grant, the books have what it holds. Then the others give way with their next answers, or when
   * their leases end, by their clocks and as soon as they do not stand still.
   */
  #setFree(host: Host): void {
    const hasGrant = host.lease.state === 'granted';
    if (hasGrant) host.part = this.#safePart ?? 1 / host.lease.peers;
    const safe = stepDown(host.part * LIMIT);
    if (!hasGrant) {
      this.#free += Math.max(0, safe - host.free);
      host.free = Math.max(safe, host.free);
      host.freeUntil = Infinity;
    } else if (host.freeUntil === Infinity) {
      const until = this.#now + LEASE_MS / (1 - this.#faults.drift) + STOP_MS + TAKE_MS;
      host.freeUntil = until;
      this.#at(until, () => {
        if (host.freeUntil === until) this.#endFree(host);
      });
    }
  }

  #endFree(host: Host): void {
    this.#free -= host.free;
    [host.free, host.freeUntil] = [0, -Infinity];
    this.#check();
  }

  /** A host that hears nothing has what is safe, as soon as its lease has ended and it has looked. */
  #checkSafe({ heardAt, stoppedUntil, passes, part }: Host): void {
    const late = LEASE_MS / (1 - this.#faults.drift) + LOOK_MS + TAKE_MS;
    if (this.#now < Math.max(heardAt + late, stoppedUntil + LOOK_MS)) return;
    this.#leastSafe = Math.min(this.#leastSafe, passes / stepDown(part * LIMIT));
  }

  #check(): void {
    this.#worst = Math.max(this.#worst, this.#sum - this.#free);
    this.#worstTotal = Math.max(this.#worstTotal, this.#sum);
  }

  #delay(): number {
    const delayMs = this.#isCalm ? 1 : this.#faults.delayMs;
    const usual = -Math.log(this.#random()) * delayMs;
    const slow = this.#random() < 0.01 ? this.#between(1, 100) : 1;
    return Math.min(LATE_MS, usual * slow);
  }

  /** Calls `arrive` for each copy of a message that arrives. */
  #carry(host: Host, arrive: () => void): void {
    const { loss, twice } = this.#faults;
    const copies = this.#isCalm ? 1 : this.#random() < loss ? 0 : this.#random() < twice ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#at(this.#now + this.#delay(), () => {
        if (this.#now >= host.cutUntil) arrive();
      });
    }
  }

  #send(host: Host, report: Report): void {
    this.#reports++;
    if (this.#now < host.cutUntil) {
      host.lease.failed(report.seq);
      return;
    }
    this.#carry(host, () => {
      const reply = this.#ledger.take(
        report,
        Math.floor(this.#now + this.#storeOffset),
        `${this.#run}`,
      );
      this.#carry(host, () => this.#receive(host, report.seq, reply));
    });
  }

  #receive(host: Host, seq: number, reply: Reply): void {
    if (!host.alive) return;
    if (this.#now < host.stoppedUntil) {
      this.#at(host.stoppedUntil, () => this.#receive(host, seq, reply));
      return;
    }
    host.heardAt = this.#now;
    const apply = host.lease.answered(seq, reply, this.#local(host));
    this.#setFree(host);
    this.#apply(host, apply);
    this.#arm(host);
  }

  /** Ten times a second something may happen. */
  #fault(): void {
    if (this.#isCalm) return;
    const { cut, kill, stop, lost, restart, restore, step } = this.#faults;
    const happens = (perSecond: number): boolean => this.#random() < perSecond / 10;
    for (const host of this.#hosts.filter(({ alive }) => alive)) {
      if (happens(cut)) host.cutUntil = this.#now + this.#between(10, 6000);
      // Not while it stands still: it could stand longer than STOP_MS in all, or wake up late.
      if (happens(stop) && host.stoppedUntil <= this.#now) {
        host.stoppedUntil = this.#now + this.#between(10, STOP_MS);
      }
      if (happens(kill)) {
        this.#kill(host);
        this.#addHost();
      }
    }
    if (happens(lost)) {
      const until = this.#now + this.#between(10, 6000);
      for (const host of this.#hosts) host.cutUntil = until;
    }
    if (happens(restart)) {
      this.#ledger = new Ledger();
      this.#run++;
    }
    if (happens(restore)) {
      // Whatever was told since is lost.
      this.#ledger = this.#books.copy();
      this.#run++;
    } else if (happens(2)) this.#books = this.#ledger.copy();
    if (happens(step)) this.#storeOffset += this.#between(-60_000, 1000);
    this.#at(this.#now + 100, () => this.#fault());
  }

  #kill(host: Host): void {
    host.alive = false;
    this.#sum -= host.passes;
    host.passes = 0;
    this.#endFree(host);
  }
}
