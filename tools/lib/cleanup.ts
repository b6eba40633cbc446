/**
 * Undoes everything that a tool has started (mounts, processes, folders), the last one first, however
 * the tool ends: normally, by an error, SIGINT, SIGTERM or SIGHUP.
 */

type Undo = () => Promise<void>;

const undos = new Set<Undo>();
let ending = false;

/** An error made by the user: printed without a stack, exit code 2. */
export class UsageError extends Error {}

/**
 * Registers `undo`, which must be safe to call twice. Returns a function that removes it again.
 * Throws if the tool is ending already, so that an interrupted tool starts nothing more.
 */
export function atEnd(undo: Undo): () => void {
  checkNotEnding();
  undos.add(undo);
  return () => {
    undos.delete(undo);
  };
}

/** Throws if the tool is ending: for loops that go on after an error. */
export function checkNotEnding(): void {
  if (ending) throw new Error('interrupted');
}

async function undoAll(): Promise<void> {
  ending = true;
  for (const undo of [...undos].reverse()) {
    undos.delete(undo);
    try {
      await undo();
    } catch (error) {
      console.error(`while cleaning up: ${messageOf(error)}`);
    }
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs `main`, undoes what is left and exits with main's code (1 on an error, 2 on wrong usage). */
export async function runTool(name: string, main: () => Promise<number>): Promise<never> {
  const signals = [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const;
  for (const [signal, number] of signals) {
    process.on(signal, () => {
      // At a second signal the clean-up is running already. It is left to finish: its steps are bounded.
      if (!ending) undoAll().finally(() => process.exit(128 + number));
    });
  }
  let code = 0;
  try {
    code = await main();
  } catch (error) {
    // After a signal `main` fails because its processes were stopped. The signal's handler exits.
    if (ending) return new Promise<never>(() => {});
    console.error(`${name}: ${messageOf(error)}`);
    code = error instanceof UsageError ? 2 : 1;
  }
  if (ending) return new Promise<never>(() => {});
  await undoAll();
  process.exit(code);
}
