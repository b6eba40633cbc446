import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseStoreUrl } from '../lease/address.js';
import type { Report } from '../lease/lease.js';
import { NOT_SHARED } from '../lease/rates.js';
import { Store, StoreError } from '../lease/store.js';
import { RATES } from '../throttle/limits.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';

/** How long the connection may take. */
const CONNECT_MS = 4000;
const RETRY_MS = 50;
const CALLS = 20;

/** How a store has answered, milliseconds. */
export interface StoreTimes {
  median: number;
  most: number;
}

/** A host that shares nothing and leaves: it takes part in nothing, but all that can go wrong would. */
function visit(id: string, seq: number): Report {
  const none = RATES.map(() => NOT_SHARED);
  return { id, seq, weight: 1, leaves: true, limits: none, wants: none, held: none };
}

/**
 * Tries the store of `shared=URL` as a mount would use it.
 *
 * @throws SluiceError for a wrong URL, and with the reason if the store is of no use
 */
export async function tryStore(url: string): Promise<StoreTimes> {
  const target = parseStoreUrl(url);
  const store = Store.open(target);
  try {
    const until = performance.now() + CONNECT_MS;
    const id = randomUUID();
    const times: number[] = [];
    for (let seq = 1; times.length < CALLS; seq++) {
      const before = performance.now();
      try {
        await store.report(target.key, visit(id, seq));
        times.push(performance.now() - before);
      } catch (error) {
        const isLost = error instanceof StoreError && error.fault === 'lost';
        if (!isLost || performance.now() >= until) throw error;
        await delay(RETRY_MS);
      }
    }
    times.sort((one, other) => one - other);
    return { median: times[CALLS >> 1]!, most: times.at(-1)! };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new SluiceError(`${target.url}: ${error.message}`, 'EIO', EXIT_FAILED, error);
  } finally {
    store.close();
  }
}
