import { parseWords } from '../../control/text.js';
import { SECOND_MS } from '../../control/usage.js';
import { changeGroup } from '../../server/change-group.js';
import { type Effect, type Key, onKey } from './keys.js';
import type { Sight } from './rows.js';
import { abilities, Screen } from './screen.js';
import { ASCII, UNICODE } from './spans.js';
import {
  afterChange,
  afterLook,
  type Change,
  FIRST_STATE,
  type State,
  type View,
} from './state.js';
import { linesOf } from './view.js';

/** Makes a change; returns why it was refused, or null. */
async function make(mountpoint: string, { path, words }: Change): Promise<string | null> {
  const changes = parseWords(words, path === '');
  const failure = await changeGroup({ mountpoint, group: path, change: null, changes });
  if (failure === null) return null;
  return `${path || '/'}: ${failure.reason || failure.errno}`;
}

/**
 * Draws a mount on the terminal until the user ends it: a thin loop around `linesOf` and `onKey`.
 *
 * @param next Reads the mount. An error that it throws ends the view.
 */
export async function watch(
  mountpoint: string,
  next: (view: View) => Promise<Sight>,
): Promise<void> {
  let state: State = FIRST_STATE;
  let sight = await next(state.view);
  /** Changes are made one after the other. */
  let changes = Promise.resolve();
  const { isColoured, isUtf8 } = abilities(process.env);
  const glyphs = isUtf8 ? UNICODE : ASCII;
  await new Promise<void>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const draw = (): void => {
      if (!isOver) screen.draw(linesOf(sight, state, screen.size, glyphs));
    };
    const end = (error?: unknown): void => {
      isOver = true;
      clearTimeout(timer);
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.off(signal, quit);
      screen.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const quit = (): void => end();
    const look = async (): Promise<void> => {
      if (state.isPaused || isOver) return;
      sight = await next(state.view);
      // Looks and changes come one after the other: what has been answered is in it.
      state = afterLook(state);
      draw();
    };
    const change = (what: Change): void => {
      changes = changes
        .then(() => make(mountpoint, what))
        .then((error) => {
          state = afterChange(state, what, error);
        })
        .then(look)
        .catch(end);
    };
    const carryOut = (effect: Effect | null): void => {
      if (effect?.kind === 'quit') end();
      else if (effect?.kind === 'change') change(effect.change);
      else if (effect?.kind === 'look') changes = changes.then(look).catch(end);
      else if (effect?.kind === 'redraw') screen.forget();
      draw();
    };
    const pressed = (key: Key): void => {
      const outcome = onKey(state, key, sight);
      state = outcome.state;
      carryOut(outcome.effect);
    };
    const screen = new Screen(isColoured, pressed, draw);
    const tick = (at: number): void => {
      if (isOver) return;
      timer = setTimeout(
        () => {
          changes = changes.then(look).then(() => tick(at + SECOND_MS), end);
        },
        Math.max(0, at - performance.now()),
      );
    };
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, quit);
    draw();
    tick(performance.now() + SECOND_MS);
  });
}
