/** An option of a command. */
export interface Option {
  readonly type: 'boolean' | 'string';
  /** Of an option with a value it begins with what that is: `FILE: where the daemon logs`. */
  readonly describe: string;
  /** Words that the value may be, for completion. */
  readonly words?: readonly string[];
  /** It may be given several times, and each value counts. */
  readonly repeatable?: true;
}

/** The operands, options and examples of a command. */
export interface Declaration {
  readonly usage: string;
  /** Descriptions by name; the names are those in `Command.operands`. */
  readonly operands: Readonly<Record<string, string>>;
  /** Words that an operand may be, for completion, by the name of the operand. */
  readonly operandWords?: Readonly<Record<string, readonly string[]>>;
  readonly options: Readonly<Record<string, Option>>;
  /**
   * Words after `--` are a command to run, which the handler gets as `command`. Missing, or false for the number of
   * operands and the options before: they are more operands.
   */
  readonly isCommand?: (operands: number, options: Arguments) => boolean;
  /** Command lines, each with its meaning. */
  readonly examples: readonly [string, string][];
}

/** The value of an option. */
type ValueOf<Declared> = Declared extends { type: 'boolean' }
  ? boolean
  : Declared extends { repeatable: true }
    ? readonly string[]
    : string;

/** The options that a command line has, by name. */
export type Given<Options> = { readonly [Name in keyof Options]?: ValueOf<Options[Name]> };

/** Operands and options of a command line, by name. */
export type Arguments = Readonly<Record<string, boolean | string | readonly string[] | undefined>>;

/** What an option says of itself: what its value is, such as `FILE`, and what it does. */
export interface OptionHelp {
  /** Null: a flag. */
  readonly value: string | null;
  readonly text: string;
}

export function helpOfOption({ type, describe }: Pick<Option, 'type' | 'describe'>): OptionHelp {
  const [, value, text] = /^([A-Z[]\S*): (.*)$/s.exec(describe) ?? [];
  return type === 'string' && value !== undefined && text !== undefined
    ? { value, text }
    : { value: null, text: describe };
}

export interface CommandModule {
  readonly declaration: Declaration;
  /**
   * @param commands all commands
   * @returns the exit code, if it is not 0
   */
  handler(args: Arguments, commands: readonly Command[]): Promise<void> | Promise<number>;
}

/** A command as the help lists it. */
export interface Command {
  readonly name: string;
  /** Names of the operands. One in brackets is optional; one with `..` takes all remaining words. */
  readonly operands: string;
  readonly synopsis: string;
  readonly describe: string;
  /** Loads the command: loading all commands takes longer than running most of them. */
  readonly load: () => Promise<CommandModule>;
}
