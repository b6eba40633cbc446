/** An option of a command, as yargs shows it. */
export interface Option {
  readonly type: 'boolean' | 'string';
  readonly describe: string;
}

/** The words that a command takes. */
export interface Declaration {
  readonly usage: string;
  /** By name, as in `Command.operands`. */
  readonly operands: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, Option>>;
  /** Command lines with their meaning. */
  readonly examples: readonly [string, string][];
}

/** Operands and options by name, in camel case. */
export type Arguments = Readonly<Record<string, unknown>>;

export interface CommandModule {
  readonly declaration: Declaration;
  handler(args: Arguments): Promise<void>;
}
