import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

// The program is the first word; words of one command are a message, whose answer is the exit code.

const program = process.argv[2]!;
const directory = process.cwd();
let runs = 0;

/** Runs the program as if it had just been started, with its modules loaded already. */
async function runProgram(words: readonly string[]): Promise<number> {
  process.argv = [process.execPath, fileURLToPath(program), ...words];
  process.exitCode = 0;
  process.chdir(directory);
  // A module with another query in its URL runs again, one of CommonJS if it is not kept.
  delete createRequire(import.meta.url).cache[fileURLToPath(program)];
  await (await import(`${program}?${runs++}`)).ended;
  // The program installs handlers for a single command.
  process.removeAllListeners('uncaughtException');
  process.removeAllListeners('SIGUSR1');
  return Number(process.exitCode);
}

process.on('disconnect', () => process.exit());
process.on('message', async (words) => {
  const code = await runProgram(words as readonly string[]);
  process.exitCode = 0;
  process.send?.(code);
});
