import test from 'ava';
import { conclude } from '../../src/server/conclusion.js';
import { type Action, type Event, Lifecycle, type State } from '../../src/server/lifecycle.js';
import { exitCodeOf } from '../../src/util/errors.js';
import { Random } from '../../tools/exerciser/random.js';

const UNFLUSHED = [{ name: 'disk', errno: 28 }];

/** One event of each kind. */
const EVENTS: { readonly [Kind in Event['kind']]: Event } = {
  mounted: { kind: 'mounted' },
  failed: { kind: 'failed', error: new Error('no such file') },
  ready: { kind: 'ready' },
  refused: { kind: 'refused', message: 'no such group', errno: 'ENOENT', exitCode: 2 },
  disconnected: { kind: 'disconnected' },
  terminate: { kind: 'terminate' },
  abort: { kind: 'abort' },
  crashed: { kind: 'crashed', message: 'assertion failed' },
  unmounted: { kind: 'unmounted' },
  drained: { kind: 'drained' },
  flushed: { kind: 'flushed' },
  'flush-failed': { kind: 'flush-failed', unflushed: UNFLUSHED },
  closed: { kind: 'closed' },
  'hand-over': { kind: 'hand-over' },
  kept: { kind: 'kept' },
  'handed-over': { kind: 'handed-over' },
};

/** The columns of EXPECTED, each with events that lead there. */
const WAYS: { readonly [Name in State]: Event['kind'][] } = {
  starting: [],
  interrupted: ['terminate'],
  serving: ['mounted', 'ready'],
  'handing-over': ['mounted', 'ready', 'hand-over'],
  recalled: ['mounted', 'ready', 'hand-over', 'terminate'],
  unmounting: ['mounted', 'ready', 'terminate'],
  draining: ['mounted', 'ready', 'disconnected'],
  flushing: ['mounted', 'ready', 'disconnected', 'drained'],
  closing: ['mounted', 'ready', 'disconnected', 'drained', 'flushed'],
  ended: ['mounted', 'ready', 'disconnected', 'drained', 'flushed', 'closed'],
};

/** The state after each event in each state; `-`: it is ignored; `!`: it is a mistake. */
const EXPECTED = `
              starting     interrupted  serving      handing-over recalled     unmounting   draining     flushing     closing      ended
mounted       -            -            !            !            !            !            !            !            closing      !
failed        ended        ended        !            !            !            !            !            !            ended        !
ready         serving      unmounting   !            !            !            !            -            -            -            -
refused       closing      closing      !            !            !            !            !            !            -            -
disconnected  draining     draining     draining     recalled     -            draining     -            -            -            -
terminate     interrupted  closing      unmounting   recalled     closing      closing      -            -            -            -
abort         closing      closing      closing      closing      closing      closing      closing      closing      closing      -
crashed       closing      closing      closing      closing      closing      closing      closing      closing      closing      -
unmounted     !            !            !            !            !            draining     -            -            -            -
drained       !            !            !            !            !            !            flushing     !            -            -
flushed       !            !            !            !            !            !            !            closing      -            -
flush-failed  !            !            !            !            !            !            !            closing      -            -
closed        !            !            !            !            !            !            !            !            ended        !
hand-over     !            !            handing-over !            !            !            !            !            !            !
kept          !            !            !            serving      unmounting   !            !            !            -            -
handed-over   !            !            !            closing      !            !            !            !            !            !
`;

/** What is done on the way into a state, by the event where that makes a difference. */
function expectedActions(next: State, event: Event['kind'], before: State): Action[] {
  if (event === 'abort' || event === 'crashed' || (event === 'terminate' && next === 'closing')) {
    return before === 'closing' ? ['exit-soon'] : ['close', 'exit-soon'];
  }
  if (event === 'handed-over') return ['let-go'];
  if (event === 'kept' && next === 'serving') return [];
  const actions: { readonly [Name in State]: Action[] } = {
    starting: [],
    interrupted: [],
    serving: ['announce'],
    'handing-over': [],
    recalled: [],
    unmounting: ['unmount'],
    draining: ['drain'],
    flushing: ['flush'],
    closing: ['close'],
    ended: ['end'],
  };
  return actions[next];
}

/** A life cycle whose actions are only noted. */
function makeLife(act: (action: Action) => void = () => {}): { life: Lifecycle; done: Action[] } {
  const done: Action[] = [];
  const note = (action: Action) => (): void => {
    done.push(action);
    act(action);
  };
  const life = new Lifecycle({
    announce: note('announce'),
    unmount: note('unmount'),
    drain: note('drain'),
    flush: note('flush'),
    close: note('close'),
    'let-go': note('let-go'),
    'exit-soon': note('exit-soon'),
    end: note('end'),
  });
  return { life, done };
}

const [header, ...rows] = EXPECTED.trim().split('\n');
const states = header!.trim().split(/ +/) as State[];
for (const row of rows) {
  const [kind, ...nexts] = row.trim().split(/ +/) as [Event['kind'], ...string[]];
  test(`${kind}: its edge in every state`, (t) => {
    t.is(nexts.length, states.length);
    for (const [column, state] of states.entries()) {
      const { life, done } = makeLife();
      for (const before of WAYS[state]) life.tell(EVENTS[before]);
      t.is(life.state, state);
      done.length = 0;
      const next = nexts[column]!;
      if (next === '!') {
        const message = `assertion failed: a mount that is ${state} cannot be ${kind}`;
        t.throws(() => life.tell(EVENTS[kind]), { message }, state);
        t.is(life.state, state, 'nothing has changed');
      } else {
        life.tell(EVENTS[kind]);
        const stays = next === '-';
        t.is(life.state, stays ? state : (next as State), state);
        const actions = stays ? [] : expectedActions(next as State, kind, state);
        t.deepEqual(done, actions, state);
      }
    }
  });
}

test('the table above has every state and every event', (t) => {
  t.deepEqual(states, Object.keys(WAYS));
  t.deepEqual(rows.map((row) => row.split(' ')[0]!).sort(), Object.keys(EVENTS).sort());
});

test('a second request to end aborts in every state', (t) => {
  for (const state of states) {
    const { life } = makeLife();
    for (const before of WAYS[state]) life.tell(EVENTS[before]);
    life.tell(EVENTS.terminate);
    life.tell(EVENTS.terminate);
    t.is(life.state, state === 'ended' ? 'ended' : 'closing', state);
  }
});

test('what an action tells at once is taken after the edge of the action', (t) => {
  const { life, done } = makeLife((action) => {
    if (action === 'unmount') life.tell(EVENTS.unmounted);
    if (action === 'drain') life.tell(EVENTS.drained);
    if (action === 'flush') life.tell(EVENTS.flushed);
    if (action === 'close') life.tell(EVENTS.closed);
  });
  for (const kind of ['mounted', 'ready', 'terminate'] as const) life.tell(EVENTS[kind]);
  t.deepEqual(done, ['announce', 'unmount', 'drain', 'flush', 'close', 'end']);
});

test('an event that is a mistake does not hold up those behind it', (t) => {
  const { life, done } = makeLife();
  t.throws(() => life.tell(EVENTS.closed));
  life.tell(EVENTS.crashed);
  t.deepEqual(done, ['close', 'exit-soon']);
});

test('there is no end to ask for before one is near', (t) => {
  t.throws(() => makeLife().life.end, { message: /a mount that is starting has not ended/ });
});

/** A signal to end: the first one, and all later ones. */
type Happened = Event['kind'] | 'first signal' | 'later signal';

/** The exit code by what has happened, from the first to the last; written without states. */
function modelCode(happened: readonly Happened[]): number {
  const first = (...kinds: Happened[]): number => {
    const at = happened.findIndex((kind) => kinds.includes(kind));
    return at < 0 ? Infinity : at;
  };
  const isUsable = first('ready') < first('first signal', 'disconnected', 'crashed', 'refused');
  const cause = Math.min(
    first('later signal', 'crashed', 'failed', 'refused', 'handed-over', 'flushed', 'flush-failed'),
  );
  switch (happened[cause]) {
    case 'handed-over':
      return 0;
    case 'refused':
      return 2;
    case 'flush-failed':
    case 'failed':
      return 1;
    case 'crashed':
      return isUsable ? 5 : 4;
    case 'later signal':
      return isUsable ? 5 : 1;
    default:
      if (isUsable) return 0;
      return happened.includes('first signal') ? 1 : 4;
  }
}

/** A mount, its data plane and the people around them, who do what they may do in any order. */
class World {
  readonly happened: Happened[] = [];
  readonly done: Action[];
  readonly life: Lifecycle;
  /** What can happen next. */
  readonly #coming: Event['kind'][];
  readonly #random: Random;
  #isConnected = false;
  #isMounted = false;
  /** How often what is mounted was closed or let go. */
  closes = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#coming = [random.oneIn(6) ? 'failed' : 'mounted'];
    const { life, done } = makeLife((action) => this.#act(action));
    this.life = life;
    this.done = done;
  }

  /** @param isQuiet Nobody does anything any more; what has begun goes on. */
  step(isQuiet: boolean): void {
    const random = this.#random;
    const isOver = this.life.state === 'ended';
    if (!isQuiet && !isOver && random.oneIn(12)) this.signal();
    else if (!isQuiet && !isOver && random.oneIn(40)) this.#tell('crashed');
    else if (!isQuiet && this.life.state === 'serving' && random.oneIn(8)) this.#tell('hand-over');
    else if (this.life.state === 'handing-over' && random.oneIn(4))
      this.#tell(random.oneIn(2) ? 'kept' : 'handed-over');
    else if (this.life.state === 'recalled' && random.oneIn(4)) this.#tell('kept');
    else if (this.#isConnected && (isQuiet || random.oneIn(8))) this.#disconnect();
    else if (this.#coming.length > 0) this.#next();
  }

  get isAtRest(): boolean {
    return this.#coming.length === 0 && this.life.state === 'ended';
  }

  signal(): void {
    this.happened.push(this.happened.includes('first signal') ? 'later signal' : 'first signal');
    this.life.tell(EVENTS.terminate);
  }

  #disconnect(): void {
    this.#isConnected = false;
    this.#tell('disconnected');
  }

  #next(): void {
    const [kind] = this.#coming.splice(this.#random.below(this.#coming.length), 1);
    if (kind === 'mounted') {
      this.#isMounted = true;
      const isRefused = this.#random.oneIn(6);
      this.#isConnected = !isRefused;
      this.#coming.push(isRefused ? 'refused' : 'ready');
    }
    this.#tell(kind!);
  }

  #tell(kind: Event['kind']): void {
    this.happened.push(kind);
    this.life.tell(EVENTS[kind]);
  }

  #act(action: Action): void {
    const coming = this.#coming;
    if (action === 'unmount') coming.push('unmounted');
    if (action === 'drain') coming.push('drained');
    if (action === 'flush') coming.push(this.#random.oneIn(3) ? 'flush-failed' : 'flushed');
    if (action === 'let-go' || (action === 'close' && this.#isMounted)) {
      this.#isConnected = false;
      this.closes++;
      coming.push('closed');
    }
  }
}

test('whatever happens in whatever order, there is one end, and it is the right one', (t) => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 6000; seed++) {
    const world = new World(new Random(seed, 0));
    const { life, done, happened } = world;
    const wait = seed % 60;
    for (let step = 0; !world.isAtRest; step++) {
      world.step(step >= wait);
      if (step > 500) return t.fail(`seed ${seed} comes to no end: ${happened.join(', ')}`);
    }
    const count = (...actions: Action[]): number => {
      return done.filter((action) => actions.includes(action)).length;
    };
    const story = `seed ${seed}: ${happened.join(', ')} -> ${done.join(', ')}`;
    const { error } = conclude(life.end, []);
    const code = exitCodeOf(error);
    const isFlushed = happened.includes('flushed') || happened.includes('flush-failed');
    const isCutShort = ['later signal', 'crashed', 'failed', 'refused', 'handed-over'];
    const isRight =
      code === modelCode(happened) &&
      count('end') === 1 &&
      done.at(-1) === 'end' &&
      count('flush') <= 1 &&
      count('unmount') <= 1 &&
      world.closes === (happened.includes('mounted') ? 1 : 0) &&
      (isFlushed || happened.some((kind) => isCutShort.includes(kind))) &&
      (life.end.cause.kind !== 'handed-over' || count('unmount', 'flush', 'close') === 0);
    if (!isRight) return t.fail(story);
    seen.add(`${life.end.cause.kind} ${code}`);
  }
  const ends = ['flushed 0', 'flushed 1', 'flushed 4', 'flush-failed 1', 'failed 1', 'refused 2'];
  ends.push('crashed 4', 'crashed 5', 'abort 1', 'abort 5', 'handed-over 0');
  t.deepEqual([...seen].sort(), ends.sort(), 'the sequences come to every end');
});
