import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Runs all tests and prints `N passed, N failed` as its last line. Exits with 1 if a test failed, if an
 * error was thrown outside a test, or if there was no test.
 */

/** The results in ava's TAP output; see https://testanything.org. */
interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const RESULT = /^(not )?ok |^1\.\./;

/** Counts a line with a result. */
function countResult(line: string, count: Count): void {
  if (line.startsWith('not ok ')) count.failed += 1;
  else if (!line.startsWith('ok ')) return;
  else if (/# (SKIP|TODO)\b/i.test(line)) count.skipped += 1;
  else count.passed += 1;
}

async function main(): Promise<number> {
  const count: Count = { passed: 0, failed: 0, skipped: 0 };
  /** Printed again at the end, where a reader of a long log looks first. */
  const failures: string[] = [];
  let isFailure = false;
  const args = ['--no-install', 'ava', '--tap', ...process.argv.slice(2)];
  // Each of the thousands of processes would read them, which takes longer than all the rest of its start.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: '' };
  const ava = spawn('npx', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const code = new Promise<number>((resolve, reject) => {
    ava.once('error', reject);
    ava.once('close', (status) => resolve(status ?? 1));
  });
  for await (const line of createInterface({ input: ava.stdout })) {
    process.stdout.write(`${line}\n`);
    if (RESULT.test(line)) {
      countResult(line, count);
      isFailure = line.startsWith('not ok ');
    }
    // Comments and details follow their result.
    if (isFailure) failures.push(line);
  }
  // ava can fail without a failed test, for instance if a file has no test.
  if ((await code) !== 0 && count.failed === 0) count.failed = 1;
  if (count.skipped > 0) process.stdout.write(`${count.skipped} skipped, for the reasons above\n`);
  if (failures.length > 0) process.stdout.write(`\nFailed:\n${failures.join('\n')}\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed === 0 && count.passed > 0 ? 0 : 1;
}

process.exitCode = await main();
