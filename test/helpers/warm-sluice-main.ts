/** What the process is asked: the words of one command. The answer is its exit code. */
export type Asked = readonly string[];

const PROGRAM = new URL('../../src/cli/main.js', import.meta.url);
const directory = process.cwd();
let runs = 0;

/** Runs the program as if it had just been started: modules that it has loaded are there already. */
async function runProgram(words: Asked): Promise<number> {
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...words);
  process.exitCode = 0;
  process.chdir(directory);
  // A module runs again where its address has another query.
  await import(`${PROGRAM.href}?${runs++}`);
  // It has handlers for the one command of its life.
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
