import type { PageGroup } from '../src/server/page-state.js';
import { LIMITS, limitText, type Scale, WEIGHT } from './scales.js';

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** The state of a second may come just before a change counts: a slider keeps what it was set to for so long. */
const KEPT_MS = 2500;
/** Changes that can be taken back. */
const UNDO_MAX = 100;

/** A change of one setting, and what takes it back. */
interface Change {
  path: string;
  key: string;
  text: string;
  before: string;
}

/** One setting: a slider, and a field for exact values. */
interface Control {
  key: string;
  row: HTMLElement;
  slider: HTMLInputElement;
  field: HTMLInputElement;
  scale: Scale;
  /** As it is in the daemon. */
  now: string;
  touchedMs: number;
}

/** Weight and limits of the chosen group, for those who have the token. */
export class Settings {
  readonly #controls: Control[];
  readonly #token = byId<HTMLInputElement>('token');
  readonly #undo = byId<HTMLButtonElement>('undo');
  readonly #done: Change[] = [];
  #path = '';
  /** Changes are made one after the other. */
  #queue = Promise.resolve();

  constructor() {
    const rows = [['weight', 'Weight', WEIGHT] as const, ...LIMITS];
    this.#controls = rows.map(([key, label, scale]) => this.#control(key, label, scale));
    byId('sliders').append(...this.#controls.map(({ row }) => row));
    this.#token.value = sessionStorage.getItem('token') ?? '';
    this.#token.addEventListener('input', () => {
      sessionStorage.setItem('token', this.#token.value);
      this.#enable();
    });
    this.#undo.addEventListener('click', () => this.#takeBack());
    this.#enable();
  }

  /** Shows the settings of a group as they are now. */
  show(group: PageGroup | undefined, canWrite: boolean): void {
    byId('settings').hidden = !canWrite || group === undefined;
    if (group === undefined) return;
    const isOther = group.path !== this.#path;
    this.#path = group.path;
    byId('settings-of').textContent = group.path;
    for (const control of this.#controls) {
      const { key, row, scale } = control;
      const value =
        key === 'weight' ? group.weight : group.limits[key as keyof typeof group.limits];
      // The root group has no siblings to share with.
      row.hidden = key === 'weight' && group.path === '/';
      control.now = limitText(value);
      const isKept = performance.now() - control.touchedMs < KEPT_MS;
      if (!isOther && isKept) continue;
      if (document.activeElement !== control.field || isOther)
        control.field.value = scale.text(value);
      setSlider(control, value);
    }
  }

  #control(key: string, label: string, scale: Scale): Control {
    const row = document.createElement('div');
    const [slider, field] = [document.createElement('input'), document.createElement('input')];
    const name = document.createElement('label');
    name.textContent = label;
    name.htmlFor = slider.id = `slider-${key}`;
    Object.assign(slider, { type: 'range', min: '0', max: String(scale.steps), step: '1' });
    Object.assign(field, { type: 'text', autocomplete: 'off', spellcheck: false });
    field.setAttribute('aria-label', `${label}, exactly`);
    row.append(name, slider, field);
    const control: Control = {
      ...{ key, row, slider, field, scale, now: '' },
      touchedMs: Number.NEGATIVE_INFINITY,
    };
    slider.addEventListener('input', () => {
      control.touchedMs = performance.now();
      field.value = scale.text(scale.value(Number(slider.value)));
      slider.setAttribute('aria-valuetext', field.value);
    });
    slider.addEventListener('change', () => this.#set(control, field.value));
    field.addEventListener('change', () => this.#set(control, field.value.trim()));
    return control;
  }

  #enable(): void {
    const isOff = this.#token.value === '';
    for (const { slider, field } of this.#controls) slider.disabled = field.disabled = isOff;
    this.#undo.disabled = isOff || this.#done.length === 0;
    const last = this.#done.at(-1);
    this.#undo.textContent =
      last === undefined ? 'Undo' : `Undo: ${last.path} ${last.key}=${last.before}`;
  }

  #set(control: Control, text: string): void {
    const { key, now: before } = control;
    if (text === '' || text === before) return;
    control.touchedMs = performance.now();
    // The next change begins where this one ends, whether the daemon has answered or not.
    control.now = text;
    const change = { path: this.#path, key, text, before };
    this.#make(change, (isMade) => {
      if (isMade) this.#done.push(change);
      if (this.#done.length > UNDO_MAX) this.#done.shift();
    });
  }

  #takeBack(): void {
    const last = this.#done.pop();
    if (last === undefined) return;
    const { path, key, text, before } = last;
    this.#make({ path, key, text: before, before: text }, (isMade) => {
      if (!isMade) this.#done.push(last);
    });
    this.#enable();
  }

  #make(change: Change, ended: (isMade: boolean) => void): void {
    this.#queue = this.#queue.then(async () => {
      const error = await send(change, this.#token.value);
      ended(error === null);
      const { path, key, text, before } = change;
      const place = byId('said');
      place.className = error === null ? '' : 'lost';
      place.textContent = error ?? `${path}: ${key}=${text} (was ${before})`;
      // The next state shows what counts now.
      for (const control of this.#controls) {
        if (control.key === key) control.touchedMs = Number.NEGATIVE_INFINITY;
      }
      this.#enable();
    });
  }
}

function setSlider({ slider, field, scale }: Control, value: number | undefined): void {
  slider.value = String(scale.place(value));
  slider.setAttribute('aria-valuetext', field.value);
}

/** Returns why the change was refused, or null. */
async function send({ path, key, text }: Change, token: string): Promise<string | null> {
  try {
    const answer = await fetch(`v1/groups/${encodeURIComponent(path)}`, {
      method: 'PATCH',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ [key]: text }),
    });
    if (answer.ok) return null;
    const { message, hint } = await answer.json();
    return hint === null ? message : `${message}; ${hint}`;
  } catch {
    return 'the daemon does not answer';
  }
}
