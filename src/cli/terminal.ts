/** Prints a line for people on stderr: stdout is for what was asked for. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Progress is said about what takes longer than this. */
const PROGRESS_AFTER_MS = 2000;

/** Says on a terminal what is being waited for, if it takes more than two seconds. */
export function progress(text: string): { end(): void } {
  if (process.stderr.isTTY !== true) return { end: () => {} };
  const timer = setTimeout(() => note(`${text}...`), PROGRESS_AFTER_MS);
  return { end: () => clearTimeout(timer) };
}

/** Says on a terminal how far something is, after two seconds and then as often. */
export function progressNotes(prefix: string): (text: string) => void {
  let last = performance.now();
  return (text) => {
    if (process.stderr.isTTY !== true || performance.now() - last < PROGRESS_AFTER_MS) return;
    last = performance.now();
    note(`${prefix}${text}`);
  };
}
