/**
 * What the daemon process tells the command that started it, once, over the channel between them.
 * The command sends one MountConfig and nothing else.
 */
export type FromDaemon =
  /** The kernel has answered INIT: the files can be used. */
  | { kind: 'ready'; notice?: string }
  /** Nothing is mounted; the daemon exits. */
  | { kind: 'failed'; message: string; errno: string; exitCode: number };
