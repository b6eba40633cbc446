import { messageOf } from '../lib/cleanup.js';
import { missing, type Need } from './needs.js';
import { Place } from './place.js';

export const TRANSPORTS = ['uring', 'fuse-native'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** A fault of the world around a real mount, and what must hold then. */
export interface Scenario {
  name: string;
  /** Programs and rights that it cannot do without. */
  needs: readonly Need[];
  /** A sentence for people. `body` throws if it does not hold. */
  holds: string;
  transports: readonly Transport[];
  /** Transports with which it belongs to the short form. */
  short: readonly Transport[];
  body(place: Place): Promise<void>;
}

/** A scenario with one transport. */
export interface Row {
  id: string;
  scenario: Scenario;
  transport: Transport;
  isShort: boolean;
}

/** The rows of a table of scenarios, in its order. */
export function rowsOf(scenarios: readonly Scenario[]): Row[] {
  return scenarios.flatMap((scenario) =>
    scenario.transports.map((transport) => ({
      id: `${scenario.name}/${transport}`,
      scenario,
      transport,
      isShort: scenario.short.includes(transport),
    })),
  );
}

export interface Result {
  id: string;
  state: 'ok' | 'failed' | 'skipped';
  seconds: number;
  /** Of what failed or is missing. */
  reason: string;
}

/**
 * Runs a row in a place of its own, of which nothing is left afterwards, however it ends. A thing that is
 * left behind is a failure too.
 *
 * @param parent folder for the scratch files
 */
export async function runRow(row: Row, parent: string, isShort: boolean): Promise<Result> {
  const start = performance.now();
  const { id } = row;
  const result = (state: Result['state'], reason: string): Result => {
    return { id, state, reason, seconds: (performance.now() - start) / 1000 };
  };
  const lack = missing([...row.scenario.needs, ...needsOf(row.transport)]);
  if (lack !== null) return result('skipped', lack);
  const reasons: string[] = [];
  const place = new Place(parent, row.transport, isShort);
  try {
    await row.scenario.body(place);
    place.checkEnded();
  } catch (error) {
    reasons.push(messageOf(error), ...place.facts());
  }
  reasons.push(...(await place.end()));
  return reasons.length === 0 ? result('ok', '') : result('failed', reasons.join('\n  '));
}

function needsOf(transport: Transport): Need[] {
  return transport === 'uring' ? ['fuse', 'root', 'io_uring'] : ['fuse', 'root'];
}
