import { readPairs } from '../control/text.js';
import { FAULTS, LEASE_STATES, type SharedFigures } from '../lease/figures.js';
import { NOT_SHARED, type Rates } from '../lease/rates.js';
import { RATES } from '../throttle/limits.js';

// `io.shared`: its text, and how `sluice stat` reads it back.

/** `iops:2500/bps:52428800`: the words of a file are KEY=VALUE, with one value each. */
export function formatRates(rates: Rates): string {
  const words = RATES.flatMap((key, place) =>
    rates[place]! < 0 ? [] : [`${key}:${Math.round(rates[place]!)}`],
  );
  return words.join('/') || '-';
}

function parseRates(text = ''): Rates {
  const values = new Map(text.split('/').map((word) => word.split(':') as [string, string]));
  return RATES.map((key) => Number(values.get(key) ?? NOT_SHARED));
}

const milliseconds = (value: number | null): string => (value === null ? '-' : value.toFixed(0));

/** The line of `io.shared`. */
export function formatShared(figures: SharedFigures): string {
  const { state, fault, granted, wanted, peers, ageMs, storeMs } = figures;
  const rates = `granted=${formatRates(granted)} wanted=${formatRates(wanted)}`;
  const times = `age_ms=${milliseconds(ageMs)} store_ms=${milliseconds(storeMs)}`;
  return `state=${state} ${rates} peers=${peers} ${times} fault=${fault}`;
}

/** Words of a later version are those of the beginning. */
export function parseShared(text: string): SharedFigures {
  const pairs = readPairs(text);
  const number = (key: string): number | null => {
    const value = pairs.get(key) ?? '-';
    return value === '-' ? null : Number(value);
  };
  return {
    state: LEASE_STATES.find((one) => one === pairs.get('state')) ?? 'starting',
    fault: FAULTS.find((one) => one === pairs.get('fault')) ?? 'none',
    granted: parseRates(pairs.get('granted')),
    wanted: parseRates(pairs.get('wanted')),
    peers: number('peers') ?? 0,
    ageMs: number('age_ms'),
    storeMs: number('store_ms'),
  };
}
