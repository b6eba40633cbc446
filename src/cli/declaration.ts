/** An option of a command. */
export interface Option {
  readonly type: 'boolean' | 'string';
  readonly describe: string;
}

/** The operands, options and examples of a command. */
export interface Declaration {
  readonly usage: string;
  /** Descriptions by name; the names are those in `Command.operands`. */
  readonly operands: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, Option>>;
  /** Command lines, each with its meaning. */
  readonly examples: readonly [string, string][];
}

/** Operands and options by name, in camel case. */
export type Arguments = Readonly<Record<string, unknown>>;

export interface CommandModule {
  readonly declaration: Declaration;
  handler(args: Arguments): Promise<void>;
}
