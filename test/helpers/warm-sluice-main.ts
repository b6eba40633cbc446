/** A message to the process: the words of one command. The answer is the exit code. */
export type Asked = readonly string[];

const PROGRAM = new URL('../../src/cli/main.js', import.meta.url);
const directory = process.cwd();
let runs = 0;

/** Runs the program as if it had just been started, with its modules loaded already. */
async function runProgram(words: Asked): Promise<number> {
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...words);
  process.exitCode = 0;
  process.chdir(directory);
  // A module with another query in its URL runs again.
  await import(`${PROGRAM.href}?${runs++}`);
  // The program installs handlers for a single command.
  process.removeAllListeners('uncaughtException');
  process.stderr.removeAllListeners('error');
  return Number(process.exitCode);
}

process.on('disconnect', () => process.exit());
process.on('message', async (words) => {
  const code = await runProgram(words as Asked);
  process.exitCode = 0;
  process.send?.(code);
});
