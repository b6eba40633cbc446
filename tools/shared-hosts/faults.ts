import { setTimeout as delay } from 'node:timers/promises';
import { allGranted, Host, sampling } from './hosts.js';
import { Network } from './network.js';
import { leastRate, mostBeyond, type Sample } from './samples.js';

const HOSTS = 4;
const FAULT_MS = 5000;
/** Until all is as before: a lease, an expiry, what the store learns, and connections that are made again. */
const AFTER_MS = 12_000;
/** The part of the limit that a host may use without a grant. */
const SAFE = 0.1;

interface Setting {
  network: Network;
  hosts: Host[];
  addHost: () => Promise<void>;
}

interface Fault {
  name: string;
  /** How many hosts may be without a grant while others have theirs. */
  apart: number;
  /** Hosts that stand still or die; the others have to have what is safe at all times. */
  isOut: (host: number) => boolean;
  happen: (setting: Setting) => Promise<void>;
}

const nobody = (): boolean => false;
const theFirst = (host: number): boolean => host === 0;

const FAULTS: readonly Fault[] = [
  {
    name: 'a host is cut off for 5 s',
    ...{ apart: 1, isOut: nobody },
    async happen({ network }) {
      await network.cable(0, false);
      await delay(FAULT_MS);
      await network.cable(0, true);
    },
  },
  {
    name: 'the store is cut off for 5 s',
    ...{ apart: HOSTS, isOut: nobody },
    async happen({ network }) {
      await network.cables(false);
      await delay(FAULT_MS);
      await network.cables(true);
    },
  },
  {
    name: 'the store answers only once a second, for 6 s',
    ...{ apart: 0, isOut: nobody },
    happen: ({ network }) => network.slowStore(6),
  },
  {
    name: 'the store is restarted, empty',
    ...{ apart: 0, isOut: nobody },
    async happen({ network }) {
      await network.killStore();
      await network.startStore();
    },
  },
  {
    name: 'a host stands still for 6 s',
    ...{ apart: 1, isOut: theFirst },
    async happen({ hosts }) {
      hosts[0]!.signal('SIGSTOP');
      await delay(FAULT_MS + 1000);
      hosts[0]!.signal('SIGCONT');
    },
  },
  {
    name: 'a host is killed, and another one comes',
    ...{ apart: 1, isOut: (host) => host === 0 || host === HOSTS },
    async happen({ hosts, addHost }) {
      hosts[0]!.signal('SIGKILL');
      await delay(FAULT_MS);
      await addHost();
    },
  },
];

/** What was seen in one fault. */
export interface FaultResult {
  name: string;
  /** Beyond the bound, as a time of the limit. */
  beyondMs: number;
  /** The least rate of a host in a second, over what is safe. */
  leastSafe: number;
  isWell: boolean;
}

function judge(
  { name, apart, isOut }: Fault,
  samples: readonly Sample[],
  limit: number,
): FaultResult {
  const beyondMs = (1000 * mostBeyond(samples, limit * (1 + SAFE * apart))) / limit;
  const hosts = samples[0]!.counts.map((_, host) => host).filter((host) => !isOut(host));
  const leastSafe = Math.min(...hosts.map((host) => leastRate(samples, host))) / (SAFE * limit);
  // The allowance is 10 ms; each host may pass one request more.
  const isWell = beyondMs <= 10 + (1000 * (HOSTS + 1)) / limit && leastSafe >= 0.95;
  return { name, beyondMs, leastSafe, isWell };
}

/** Hosts in network namespaces, all with load, that lose each other, the store and their lives. */
export async function runFaults(folder: string, limit: number): Promise<FaultResult[]> {
  const network = await Network.make(folder);
  const hosts: Host[] = [];
  const addHost = async (): Promise<void> => {
    const { address, within } = await network.addHost();
    const words = `iops=${limit},shared=valkey://${address}/gold,safe=${100 * SAFE}%`;
    const host = await Host.start(folder, `h${hosts.length}`, words, within);
    await host.load();
    hosts.push(host);
  };
  for (let count = 0; count < HOSTS; count++) await addHost();
  await allGranted(hosts);
  const results: FaultResult[] = [];
  for (const fault of FAULTS) {
    await delay(2000);
    const samples = sampling(hosts);
    await fault.happen({ network, hosts, addHost });
    await delay(AFTER_MS);
    results.push(judge(fault, await samples.end(), limit));
  }
  await hosts[0]!.bury();
  await allGranted(hosts.slice(1));
  for (const host of hosts.slice(1)) await host.unload();
  return results;
}
