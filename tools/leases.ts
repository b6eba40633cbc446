import { faultsOf, simulate } from './leases/seeds.js';
import { runTool } from './lib/cleanup.js';
import { inRange, toolOptions } from './lib/options.js';

async function main(): Promise<number> {
  const options = await toolOptions(
    'leases',
    'Simulates one group on many hosts that share its limit: messages are lost, delayed and doubled, clocks\n' +
      'run wrong, hosts are cut off, stand still and die, the store loses its books. Ends with 1 if grants\n' +
      'have ever summed above the limit, if a host was left without what is safe, or if not all is well again\n' +
      'after the faults.',
  )
    .options({
      seeds: { type: 'number', default: 100, describe: 'how many runs' },
      from: { type: 'number', default: 1, describe: 'the first seed' },
      hosts: {
        type: 'number',
        describe:
          'hosts of each run (default: 2 to 6; every 40th seed 10 to 100, every 500th 1,000)',
      },
      verbose: { type: 'boolean', default: false, describe: 'a line for each seed' },
    })
    .parseAsync();
  const { seeds, from, hosts, verbose } = options;
  inRange('seeds', seeds, 1, 1e6);
  if (hosts !== undefined) inRange('hosts', hosts, 1, 10_000);
  let [bad, reports, most, least, total, safe] = [0, 0, 0, Infinity, 0, Infinity];
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = simulate(seed, hosts);
    reports += outcome.reports;
    most = Math.max(most, outcome.worst);
    total = Math.max(total, outcome.worstTotal);
    least = Math.min(least, outcome.least);
    safe = Math.min(safe, outcome.leastSafe);
    if (verbose || outcome.faults.length > 0)
      console.log(`seed ${seed}: ${JSON.stringify(outcome)}`);
    if (outcome.faults.length > 0) {
      bad++;
      console.log(JSON.stringify(faultsOf(seed)));
    }
  }
  const sums = `grants at most ${most.toFixed(4)} of the limit, ${total.toFixed(2)} with what is safe`;
  const parts = `without a grant at least ${safe.toFixed(4)} of what is safe; at the end at least ${least.toFixed(3)} of a fair part`;
  console.log(`${seeds} seeds, ${reports} reports: ${sums}; ${parts}`);
  console.log(`${bad} seeds failed`);
  return bad === 0 ? 0 : 1;
}

await runTool('leases', main);
