/** One replacement in the sources. */
export interface Change {
  /** Below src/. */
  file: string;
  /** Text that occurs exactly once in the file, and what stands there instead. */
  from: string;
  to: string;
}

/** A fault that is put into the sources on purpose. */
export interface Mutation {
  name: string;
  /** What is wrong then, in one sentence. */
  fault: string;
  changes: readonly Change[];
  /** Options of the simulator, for what few runs have. */
  words?: readonly string[];
  /** Why no run finds it, and what would. Missing: runs find it. */
  escapes?: string;
}

/** The text of a file with a change. Throws if the text that is replaced is not there exactly once. */
export function changed(text: string, { name }: Mutation, { file, from, to }: Change): string {
  const parts = text.split(from);
  if (parts.length === 2) return parts.join(to);
  const times = parts.length === 1 ? 'is no longer in' : `occurs ${parts.length - 1} times in`;
  throw new Error(`${name}: its text ${times} src/${file}; change the table in tools/mutants`);
}
