import type { LiveGroup } from '../../control/live.js';
import { type Changes, type GroupSettings, mergeChanges } from '../../control/settings.js';
import { formatWords, parseWords, wordsBefore } from '../../control/text.js';
import { WEIGHT } from '../../control/values.js';
import { SluiceError } from '../../util/errors.js';
import { listLength } from './lists.js';
import { type Row, rowsOf, type Sight } from './rows.js';
import { afterAsking, type Change, ORDERS, type Prompt, type State, type View } from './state.js';

/** A key as node:readline names it. */
export interface Key {
  /** `up`, `return`, `w`; '' for a character without a name. */
  readonly name: string;
  /** The characters that it types; '' for none. */
  readonly text: string;
  readonly ctrl: boolean;
}

/** An action that a key asks for beside the change of state. */
export type Effect =
  | { kind: 'quit' }
  | { kind: 'redraw' }
  /** Look at the mount now: the view needs what it did not need before. */
  | { kind: 'look' }
  | { kind: 'change'; change: Change };

export interface Outcome {
  readonly state: State;
  readonly effect: Effect | null;
}

type Act = (state: State, sight: Sight) => State | Outcome;

interface Binding {
  /** Names or characters of keys; `^c` is Ctrl-C. */
  readonly keys: readonly string[];
  /** As the help writes them. */
  readonly shown: string;
  /** '' for a key of which the line before tells: the help has room for 20 lines on a terminal of 24. */
  readonly help: string;
  /** It acts in each view; others act only where the groups are seen. */
  readonly isEverywhere?: true;
  readonly act: Act;
}

/** Rows that a page key moves by. */
const PAGE = 10;
const [LEAST_WEIGHT, MOST_WEIGHT] = WEIGHT.range!;
/** One key changes a weight by a fifth, at least by 1. */
const WEIGHT_STEP = 1.2;

const view =
  (to: View) =>
  (state: State): State => ({
    ...state,
    view: state.view === to ? 'groups' : to,
    scrolled: 0,
  });

/** A view of what is not asked for as long as nobody sees it. */
const looking =
  (to: View) =>
  (state: State): Outcome => ({ state: view(to)(state), effect: { kind: 'look' } });

/** All keys but those of a prompt, in the order of the help. */
export const BINDINGS: readonly Binding[] = [
  ...pair('up, down', 'the row above or below (also k and j)', {
    ...{ keys: ['up', 'k'], act: moved(-1) },
    other: { keys: ['down', 'j'], act: moved(1) },
  }),
  ...pair('page up, down', 'ten rows up or down', {
    ...{ keys: ['pageup'], act: moved(-PAGE) },
    other: { keys: ['pagedown'], act: moved(PAGE) },
  }),
  ...pair('home, end', 'the first row or the last one (also g and G)', {
    ...{ keys: ['home', 'g'], act: moved(-Infinity) },
    other: { keys: ['end', 'G'], act: moved(Infinity) },
  }),
  {
    keys: ['space', 'return', 'left', 'right'],
    shown: 'space, enter',
    help: 'fold or unfold the group (left folds, right unfolds)',
    act: (state) => state,
  },
  { keys: ['z'], shown: 'z', help: 'fold all groups, or unfold them', act: foldAll },
  {
    keys: ['m'],
    shown: 'm',
    help: 'show or hide members',
    act: (state) => ({ ...state, showsMembers: !state.showsMembers }),
  },
  { keys: ['s'], shown: 's', help: `sort by the next of: ${ORDERS.join(', ')}`, act: nextOrder },
  {
    ...{ keys: ['/'], shown: '/', isEverywhere: true, act: askFilter },
    help: 'show only names with a text; Esc shows all',
  },
  { keys: ['w'], shown: 'w', help: 'type a weight for the group', act: askWeight },
  {
    ...{ keys: ['+', '='], shown: '+, -', act: weighed(WEIGHT_STEP) },
    help: 'raise its weight by a fifth, lower it by a sixth',
  },
  { keys: ['-'], shown: '-', help: '', act: weighed(1 / WEIGHT_STEP) },
  { keys: ['l'], shown: 'l', help: 'type limits and targets for the group', act: askLimits },
  { keys: ['u'], shown: 'u', help: 'take back the last change', act: takeBack },
  {
    ...{ keys: ['c'], shown: 'c', isEverywhere: true, act: looking('callers') },
    help: 'callers, or groups again',
  },
  {
    ...{ keys: ['i'], shown: 'i', isEverywhere: true, act: looking('images') },
    help: 'images, or groups again',
  },
  {
    keys: ['p'],
    shown: 'p',
    help: 'pause, or go on',
    isEverywhere: true,
    act: (state) => ({ ...state, isPaused: !state.isPaused }),
  },
  {
    keys: ['^l'],
    shown: 'Ctrl-L',
    help: 'draw the screen anew',
    isEverywhere: true,
    act: (state) => ({ state, effect: { kind: 'redraw' } }),
  },
  { keys: ['?', 'h'], shown: '?, h', help: 'this help', isEverywhere: true, act: view('help') },
  { keys: ['escape'], shown: 'Esc', help: 'back to all groups', isEverywhere: true, act: back },
  {
    keys: ['q', '^c', '^d'],
    shown: 'q, Ctrl-C',
    help: 'end; q ends this help first',
    isEverywhere: true,
    act: (state) => ({ state, effect: { kind: 'quit' } }),
  },
];

/** Two keys with one line of the help, which move. */
function pair(
  shown: string,
  help: string,
  { other, ...one }: Pick<Binding, 'keys' | 'act'> & { other: Pick<Binding, 'keys' | 'act'> },
): Binding[] {
  const both = { shown, isEverywhere: true } as const;
  return [
    { ...both, help, ...one },
    { ...both, help: '', ...other },
  ];
}

const BY_KEY = new Map(BINDINGS.flatMap((one) => one.keys.map((key) => [key, one] as const)));
/** Keys that mean different things by their name. */
const FOLDS: Readonly<Record<string, Act>> = {
  left: (state, sight) => folded(state, sight, true),
  right: (state, sight) => folded(state, sight, false),
  return: (state, sight) => folded(state, sight, null),
  space: (state, sight) => folded(state, sight, null),
};

const outcome = (result: State | Outcome): Outcome =>
  'effect' in result ? result : { state: result, effect: null };

/** The state after a key, and the action that the key asks for. */
export function onKey(state: State, key: Key, sight: Sight): Outcome {
  const quiet = { ...state, message: null };
  const { prompt } = state;
  if (prompt !== null) return outcome(typed(quiet, prompt, key, sight));
  const name = key.ctrl ? `^${key.name}` : key.text.trim() === '' ? key.name : key.text;
  const binding = BY_KEY.get(name);
  if (binding === undefined) return { state, effect: null };
  // Nobody shall change a group that is not seen.
  if (state.view !== 'groups' && binding.isEverywhere !== true) {
    return outcome(told(quiet, `${binding.shown} is for groups: Esc shows them`));
  }
  // As in a pager: who has read the help wants to go on.
  if (state.view === 'help' && name === 'q') return outcome(view('groups')(quiet));
  return outcome((FOLDS[name] ?? binding.act)(quiet, sight));
}

const told = (state: State, text: string, isError = false): State => ({
  ...state,
  message: { text, isError },
});

/** The row that is chosen: the first one if that is gone. Null without groups. */
export function chosenRow(state: State, rows: readonly Row[]): Row | null {
  return rows.find(({ key }) => key === state.chosen) ?? rows[0] ?? null;
}

function moved(by: number): Act {
  return (state, sight) => {
    if (state.view !== 'groups') return scrolled(state, sight, by);
    const rows = rowsOf(sight, state);
    const from = Math.max(
      0,
      rows.findIndex(({ key }) => key === state.chosen),
    );
    const to = Math.max(0, Math.min(rows.length - 1, from + by));
    return { ...state, chosen: rows[to]?.key ?? state.chosen };
  };
}

/** A list has no chosen row: it moves under the screen. Its end leaves a page of rows on it. */
function scrolled(state: State, sight: Sight, by: number): State {
  const count = listLength(sight, state);
  const last = Math.max(0, count - (by === Infinity ? PAGE : 1));
  return { ...state, scrolled: Math.max(0, Math.min(last, state.scrolled + by)) };
}

/** @param fold null: the other way */
function folded(state: State, sight: Sight, fold: boolean | null): State {
  const row = chosenRow(state, rowsOf(sight, state));
  if (row === null || !row.isParent) return state;
  const all = new Set(state.folded);
  if (fold ?? !all.has(row.key)) all.add(row.key);
  else all.delete(row.key);
  return { ...state, folded: all };
}

function foldAll(state: State, sight: Sight): State {
  if (state.folded.size > 0) return { ...state, folded: new Set() };
  const rows = rowsOf(sight, state).filter(({ isParent, depth }) => isParent && depth > 0);
  return { ...state, folded: new Set(rows.map(({ key }) => key)) };
}

function nextOrder(state: State): State {
  const order = ORDERS[(ORDERS.indexOf(state.order) + 1) % ORDERS.length]!;
  return told({ ...state, order }, `sorted by ${order}`);
}

function back(state: State): State {
  return { ...state, view: 'groups', filter: '', scrolled: 0 };
}

function askFilter(state: State): State {
  const prompt: Prompt = { kind: 'filter', path: '', before: '', now: '', text: state.filter };
  return { ...state, prompt };
}

function askSettings(
  state: State,
  sight: Sight,
  before: string,
  wordsOf: (settings: GroupSettings) => readonly string[],
): State {
  const row = chosenRow(state, rowsOf(sight, state));
  if (row === null) return state;
  const { path } = row.group;
  const now = wordsOf(settingsOf(state, row.group)).join(' ');
  // The next word is typed right after those that are there.
  const text = before === '' && now !== '' ? `${now} ` : '';
  return { ...state, prompt: { kind: 'settings', path, before, now, text } };
}

const isRoot = (state: State, sight: Sight): boolean =>
  chosenRow(state, rowsOf(sight, state))?.group.path === '';

const NO_SIBLINGS = '/ has no siblings to share with: choose a group below it';

function askWeight(state: State, sight: Sight): State {
  if (isRoot(state, sight)) return told(state, NO_SIBLINGS);
  return askSettings(state, sight, 'weight=', ({ weight }) => [`weight=${weight}`]);
}

function askLimits(state: State, sight: Sight): State {
  return askSettings(state, sight, '', ({ weight: _, ...settings }) => formatWords(settings));
}

function weighed(factor: number): Act {
  return (state, sight) => {
    const row = chosenRow(state, rowsOf(sight, state));
    if (row === null) return state;
    if (row.group.path === '') return told(state, NO_SIBLINGS);
    const { weight } = settingsOf(state, row.group);
    const step = Math.max(1, Math.round(Math.abs(weight * factor - weight)));
    const next = Math.min(
      MOST_WEIGHT,
      Math.max(LEAST_WEIGHT, weight + (factor > 1 ? step : -step)),
    );
    return next === weight ? state : changing(state, sight, row.group.path, [`weight=${next}`]);
  };
}

function takeBack(state: State): State | Outcome {
  const last = state.done.at(-1);
  if (last === undefined) {
    return told(state, 'there is no change to take back');
  }
  const { path, words, before } = last;
  return asking(state, { path, words: before, before: words, isUndo: true });
}

function asking(state: State, change: Change): Outcome {
  return { state: afterAsking(state, change), effect: { kind: 'change', change } };
}

/** The settings of a group as they will be when the changes that the sight does not show yet are made. */
function settingsOf({ unseen }: State, group: LiveGroup): GroupSettings {
  const changes = unseen.filter(({ path }) => path === group.path);
  const now: Changes = { ...group.settings, ...group.mount };
  return changes.reduce(
    (settings, { path, words }) => mergeChanges(settings, parseWords(words, path === '')),
    now,
  ) as GroupSettings;
}

/** Asks for the change that the words describe; or says in the state why there can be none. */
function changing(
  state: State,
  sight: Sight,
  path: string,
  words: readonly string[],
): State | Outcome {
  const group = sight.groups.find((one) => one.path === path);
  const failed = (text: string): State => told(state, text, true);
  if (group === undefined) return failed(`${path}: the group has been removed`);
  try {
    const changes = parseWords(words, path === '');
    const before = wordsBefore(changes, settingsOf(state, group));
    return asking(state, { path, words, before, isUndo: false });
  } catch (error) {
    if (error instanceof SluiceError) return failed(error.message);
    throw error;
  }
}

/** A key while a text is typed. */
function typed(state: State, prompt: Prompt, key: Key, sight: Sight): State | Outcome {
  const withText = (text: string): State => {
    const filtering = prompt.kind === 'filter' ? { filter: text, scrolled: 0 } : {};
    return { ...state, ...filtering, prompt: { ...prompt, text } };
  };
  if (key.name === 'escape' || (key.ctrl && key.name === 'c')) {
    const filter = prompt.kind === 'filter' ? '' : state.filter;
    return { ...state, filter, prompt: null };
  }
  if (key.name === 'return' || key.name === 'enter') return entered(state, prompt, sight);
  if (key.name === 'backspace') return withText([...prompt.text].slice(0, -1).join(''));
  if (key.ctrl) return key.name === 'u' ? withText('') : state;
  return /^\P{Cc}+$/u.test(key.text) ? withText(prompt.text + key.text) : state;
}

function entered(state: State, prompt: Prompt, sight: Sight): State | Outcome {
  const { kind, before, path, text } = prompt;
  const closed = { ...state, prompt: null };
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (kind === 'filter' || words.length === 0) return closed;
  const said = words.map((word) => before + word);
  const next = changing(closed, sight, path, said);
  // What was wrong is there to be mended.
  return 'effect' in next ? next : { ...next, prompt };
}
