export const ORDERS = ['tree', 'requests', 'bytes', 'queued', 'pressure'] as const;
export type Order = (typeof ORDERS)[number];

/** What the screen shows. */
export type View = 'groups' | 'callers' | 'images' | 'help';

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
  /** Rows of a list, of callers or images, above those on the screen. */
  readonly scrolled: number;
  /** Key of a row. */
  readonly chosen: string;
  readonly prompt: Prompt | null;
  readonly message: { readonly text: string; readonly isError: boolean } | null;
  /** Changes that were asked for and can be taken back, the last one first. */
  readonly done: readonly Change[];
  /** Changes that the sight does not show yet, in the order in which they are made. */
  readonly unseen: readonly Change[];
  /** How many of them, from the first, have been made. */
  readonly made: number;
  readonly isPaused: boolean;
}

export const FIRST_STATE: State = {
  view: 'groups',
  order: 'tree',
  folded: new Set(),
  showsMembers: true,
  filter: '',
  scrolled: 0,
  chosen: '/',
  prompt: null,
  message: null,
  done: [],
  unseen: [],
  made: 0,
  isPaused: false,
};

/**
 * The state after a change was asked for. It counts at once: the next key goes on from there, however long the
 * mount takes to answer.
 */
export function afterAsking(state: State, change: Change): State {
  const done = change.isUndo ? state.done.slice(0, -1) : [...state.done, change];
  return { ...state, done, unseen: [...state.unseen, change] };
}

/** The state after a change was made, or refused with an error. */
export function afterChange(state: State, change: Change, error: string | null): State {
  const name = change.path || '/';
  if (error !== null) return { ...withoutChange(state, change), message: failure(error) };
  const was = `was ${change.before.join(' ')}`;
  const text = `${name}: ${change.words.join(' ')}${change.isUndo ? '' : ` (${was}; u takes it back)`}`;
  return { ...state, made: state.made + 1, message: { text, isError: false } };
}

const failure = (text: string): State['message'] => ({ text, isError: true });

/** A change that was refused has not happened: it cannot be taken back, and what it took back can be still. */
function withoutChange(state: State, change: Change): State {
  const unseen = state.unseen.filter((one) => one !== change);
  const { path, words, before } = change;
  const undone: Change = { path, words: before, before: words, isUndo: false };
  const done = change.isUndo ? [...state.done, undone] : state.done.filter((one) => one !== change);
  return { ...state, done, unseen };
}

/** The state after a look at the mount that began when all changes so far had been answered. */
export function afterLook(state: State): State {
  return state.made === 0 ? state : { ...state, unseen: state.unseen.slice(state.made), made: 0 };
}
