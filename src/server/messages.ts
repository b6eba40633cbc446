/**
 * What the daemon process tells the command that started it, over the channel between them: how far
 * it is, as often as it likes, and once how it ended.
 * The command sends one MountConfig and nothing else.
 */
export type FromDaemon =
  /** Mounting takes long: what is being done, for people. */
  { kind: 'progress'; text: string } | Outcome;

/** How mounting came out. */
export type Outcome =
  /** The kernel has answered INIT: the files can be used. */
  | { kind: 'ready'; notice?: string }
  /** Nothing is mounted; the daemon exits. */
  | { kind: 'failed'; message: string; errno: string; exitCode: number };
