export const ORDERS = ['tree', 'requests', 'bytes', 'queued', 'pressure'] as const;
export type Order = (typeof ORDERS)[number];

/** What the screen shows. */
export type View = 'groups' | 'images' | 'help';

/** A text that the user types. */
export interface Prompt {
  readonly kind: 'filter' | 'settings';
  /** The group that settings are for; its path. */
  readonly path: string;
  /** What the text begins with and keeps, such as `weight=`; '' for none. */
  readonly before: string;
  /** What is set now, as `sluice set` has it. */
  readonly now: string;
  readonly text: string;
}

/** A change of a group: words for `sluice set`, and those that take it back. */
export interface Change {
  readonly path: string;
  readonly words: readonly string[];
  readonly before: readonly string[];
  /** It takes another change back, so it cannot be taken back itself. */
  readonly isUndo: boolean;
}

export interface State {
  readonly view: View;
  readonly order: Order;
  /** Keys of rows. */
  readonly folded: ReadonlySet<string>;
  readonly showsMembers: boolean;
  readonly filter: string;
  /** Key of a row. */
  readonly chosen: string;
  readonly prompt: Prompt | null;
  readonly message: { readonly text: string; readonly isError: boolean } | null;
  /** The last one is taken back first. */
  readonly done: readonly Change[];
  readonly isPaused: boolean;
}

export const FIRST_STATE: State = {
  view: 'groups',
  order: 'tree',
  folded: new Set(),
  showsMembers: true,
  filter: '',
  chosen: '/',
  prompt: null,
  message: null,
  done: [],
  isPaused: false,
};

/** The state after a change was made, or refused with an error. */
export function afterChange(state: State, change: Change, error: string | null): State {
  const name = change.path || '/';
  if (error !== null) return { ...state, message: { text: error, isError: true } };
  const was = `was ${change.before.join(' ')}`;
  const text = `${name}: ${change.words.join(' ')}${change.isUndo ? '' : ` (${was}; u takes it back)`}`;
  const done = change.isUndo ? state.done.slice(0, -1) : [...state.done, change];
  return { ...state, done, message: { text, isError: false } };
}
