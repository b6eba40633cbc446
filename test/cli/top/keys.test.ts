import test from 'ava';
import { BINDINGS, type Effect, type Key, onKey } from '../../../src/cli/top/keys.js';
import { FIRST_STATE, type State } from '../../../src/cli/top/state.js';
import { testSight } from '../../helpers/top-sight.js';

const SIGHT = testSight();
const key = (text: string): Key => {
  const named = /^<(\^?)(.+)>$/.exec(text);
  if (named === null) return { name: text.toLowerCase(), text, ctrl: false };
  return { name: named[2]!, text: named[1] === '^' ? '\u0003' : '', ctrl: named[1] === '^' };
};

/** Types keys, one after the other: characters, or names such as `<down>`. */
function type(keys: string, from: State = FIRST_STATE): { state: State; effect: Effect | null } {
  let now: { state: State; effect: Effect | null } = { state: from, effect: null };
  for (const one of keys.match(/<[^>]+>|./g) ?? []) now = onKey(now.state, key(one), SIGHT);
  return now;
}

test('no key has two meanings', (t) => {
  const keys = BINDINGS.flatMap((one) => one.keys);
  t.is(new Set(keys).size, keys.length);
});

test('arrows move to the ends and no further', (t) => {
  t.is(type('<down>').state.chosen, '/gold');
  t.is(type('jjk').state.chosen, '/gold');
  t.is(type('<up>').state.chosen, '/');
  t.is(type('G').state.chosen, '/lab/slow\ndisk\u001b[2J');
  t.is(type('G<down>').state.chosen, '/lab/slow\ndisk\u001b[2J');
  t.is(type('<pagedown>g').state.chosen, '/');
});

test('a group is folded, and unfolded', (t) => {
  t.deepEqual([...type('<down><space>').state.folded], ['/gold']);
  t.deepEqual([...type('<down><return><return>').state.folded], []);
  t.deepEqual([...type('<down><left><left>').state.folded], ['/gold']);
  t.deepEqual([...type('<down><left><right>').state.folded], []);
  t.deepEqual([...type('z').state.folded], ['/gold', '/silver', '/lab', '/lab/slow']);
  t.deepEqual([...type('zz').state.folded], []);
});

test('order, members, views, pause and filter', (t) => {
  t.is(type('s').state.order, 'requests');
  t.is(type('sssss').state.order, 'tree');
  t.is(type('m').state.showsMembers, false);
  t.is(type('i').state.view, 'images');
  t.is(type('ii').state.view, 'groups');
  t.is(type('?<escape>').state.view, 'groups');
  t.deepEqual(type('?q'), { state: FIRST_STATE, effect: null });
  t.deepEqual(type('?<^c>').effect, { kind: 'quit' });
  t.is(type('p').state.isPaused, true);
  t.is(type('/slq<backspace>o').state.filter, 'slo');
  t.is(type('/slo<return>').state.prompt, null);
  t.is(type('/slo<return>').state.filter, 'slo');
  t.is(type('/slo<escape>').state.filter, '');
});

test('keys end the view, but are text in a prompt', (t) => {
  t.deepEqual(type('q').effect, { kind: 'quit' });
  t.deepEqual(type('<^c>').effect, { kind: 'quit' });
  t.is(type('/q').effect, null);
  t.is(type('/q').state.filter, 'q');
  t.is(type('/q<^c>').state.prompt, null);
});

test('a weight is typed, with what it was', (t) => {
  const asked = type('<down>w').state.prompt;
  t.like(asked, { path: 'gold', before: 'weight=', now: 'weight=80', text: '' });
  t.deepEqual(type('<down>w20<return>').effect, {
    kind: 'change',
    change: { path: 'gold', words: ['weight=20'], before: ['weight=80'], isUndo: false },
  });
  t.is(type('<down>w<return>').effect, null);
});

test('a weight is raised and lowered', (t) => {
  const words = (keys: string) => {
    const { effect } = type(keys);
    return effect?.kind === 'change' ? effect.change.words : null;
  };
  t.deepEqual(words('<down>+'), ['weight=96']);
  t.deepEqual(words('<down>-'), ['weight=67']);
});

test('limits are typed as sluice set has them; what was there takes them back', (t) => {
  const from = { ...FIRST_STATE, chosen: '/lab/slow' };
  t.is(type('l', from).state.prompt?.text, 'iops=10 burst.iops=50/5 latency=2000 ');
  const { effect } = type('l<^u>bps=1M iops=max<return>', from);
  t.deepEqual(effect, {
    kind: 'change',
    change: {
      path: 'lab/slow',
      words: ['bps=1M', 'iops=max'],
      before: ['bps=max', 'iops=10'],
      isUndo: false,
    },
  });
});

test('what cannot be set is told, and changes nothing', (t) => {
  const { state, effect } = type('<down>w0<return>');
  t.is(effect, null);
  t.deepEqual(state.message, { text: 'weight=0: not from 1 to 10000', isError: true });
  t.is(type('<down>l<^u>ipos=5<return>').state.message?.isError, true);
  t.is(type('<down>w0<return>j').state.message, null);
});

test('the last change is taken back', (t) => {
  const last = { path: 'gold', words: ['weight=90'], before: ['weight=80'], isUndo: false };
  const change = { path: 'gold', words: ['weight=80'], before: ['weight=90'], isUndo: true };
  t.deepEqual(type('u', { ...FIRST_STATE, done: [last] }).effect, { kind: 'change', change });
  t.is(type('u').state.message?.text, 'there is no change to take back');
});

test('keys that come before the mount answers go on from each other', (t) => {
  const changes = (keys: string): string[] => {
    const asked: string[] = [];
    let state = FIRST_STATE;
    for (const one of keys.match(/<[^>]+>|./g) ?? []) {
      const outcome = onKey(state, key(one), SIGHT);
      state = outcome.state;
      if (outcome.effect?.kind !== 'change') continue;
      const { words, before } = outcome.effect.change;
      asked.push(`${before} to ${words}`);
    }
    return asked;
  };
  const raised = ['weight=80 to weight=96', 'weight=96 to weight=115'];
  t.deepEqual(changes('<down>++'), raised);
  const back = ['weight=115 to weight=96', 'weight=96 to weight=80'];
  t.deepEqual(changes('<down>++uuu'), [...raised, ...back]);
  t.deepEqual(changes('<down>+u-').at(-1), 'weight=80 to weight=67');
  t.is(type('<down>+w').state.prompt?.now, 'weight=96');
});

test('a key that is for groups changes nothing where they are not seen', (t) => {
  for (const view of ['c', 'i', '?']) {
    for (const one of ['+', '-', 'w', 'l', 'u', 's', 'm', 'z', '<space>', '<left>']) {
      const before = type(`<down>${view}`).state;
      const { state, effect } = type(`<down>${view}${one}`);
      t.is(effect, null);
      t.deepEqual({ ...state, message: null }, before, `${view} ${one}`);
      t.regex(state.message!.text, /is for groups: Esc shows them$/);
    }
  }
});

test('a list moves under the screen, to its ends and no further', (t) => {
  const at = (keys: string): number => type(keys).state.scrolled;
  t.is(at('i<down>'), 1);
  t.is(at('i<down><down><down><down>'), 2);
  t.is(at('i<down><up><up>'), 0);
  t.is(at('i<pagedown>'), 2);
  // The end of a list that is shorter than a page is its beginning.
  t.is(at('i<down>G'), 0);
  t.is(at('i<down>i'), 0);
  t.is(at('i<down>/w'), 0);
  t.is(type('i<down>').state.chosen, '/');
});

test('the root has no weight to change', (t) => {
  for (const one of ['w', '+', '-']) {
    const { state, effect } = type(one);
    t.is(effect, null);
    t.is(state.prompt, null);
    t.is(state.message!.text, '/ has no siblings to share with: choose a group below it');
  }
});

test('words that are refused stay, to be mended', (t) => {
  const { state, effect } = type('<down>lfoo=3<return>');
  t.is(effect, null);
  t.is(state.prompt?.text, 'foo=3');
  t.regex(state.message!.text, /no key "foo"/);
  t.is(type('x', state).state.message, null);
});
