import test from 'ava';
import { Hold, type HoldParts } from '../../src/loop/hold.js';
import type { FromPlane } from '../../src/plane/messages.js';

/** A hold over a plane and a session that are only numbers. */
function setUp() {
  const plane = { isHolding: false, isStill: true, nowNs: 0, asked: { newestHandle: 3 } };
  const requests = { areAll: () => plane.isStill };
  const session = { isPaused: false, isListening: false, sentCount: 0, cancels: 0 };
  const sent: FromPlane[] = [];
  const closings: ((result: number) => void)[] = [];
  const skips: number[] = [];
  const sweeps: number[] = [];
  const own = {
    start: (_image: unknown, _make: unknown, ended: (result: number) => void) =>
      void closings.push(ended),
  };
  const image = {
    name: 'disk',
    readOnly: false,
    dirty: true,
    driver: { delaysMetadata: true, takeLoss: () => 0 },
    losses: { carryOut: () => ({ errno: 0, lastOpen: 0, told: [] }) },
    partitions: null,
  };
  const whole = { image, opens: 0, pendingOpens: 0, config: { name: 'disk' } };
  const parts = {
    plane: Object.assign(plane, { own, requests }),
    session: Object.assign(session, { cancelReceives: () => void session.cancels++ }),
    throttle: {
      carryOut: () => ({ groups: [], members: [] }),
      skip: (now: number) => void skips.push(now),
    },
    members: { sweep: () => void sweeps.push(closings.length) },
    tree: { nodeIds: { ids: [], next: 7 } },
    images: { wholes: [whole], all: [whole] },
    dispatcher: { carryOut: () => 'session' },
    send: (message: FromPlane) => void sent.push(message),
  } as unknown as HoldParts;
  return { hold: new Hold(parts), plane, session, sent, closings, skips, sweeps };
}

test('what is under way ends, receives are taken back once, images are closed, then it is held', (t) => {
  const { hold, plane, session, sent, closings } = setUp();
  session.isListening = true;
  plane.isStill = false;
  hold.look();
  hold.begin();
  t.true(plane.isHolding && session.isPaused);
  hold.look();
  t.is(session.cancels, 0, 'a request is under way');
  plane.isStill = true;
  session.sentCount = 1;
  hold.look();
  t.is(session.cancels, 0, 'a reply is queued on the same descriptor');
  session.sentCount = 0;
  hold.look();
  hold.look();
  t.is(session.cancels, 1);
  t.is(closings.length, 0, 'receives are still queued');
  session.isListening = false;
  plane.isStill = false;
  hold.look();
  t.is(closings.length, 0, 'the last receive has brought a request');
  plane.isStill = true;
  hold.look();
  hold.look();
  t.is(closings.length, 1);
  t.deepEqual(sent, []);
  t.false(hold.isHeld, 'what is answered until then is in the state that outlives the process');
  closings[0]!(0);
  t.true(hold.isHeld);
  const [held] = sent;
  if (held?.kind !== 'held' || held.state === null) return t.fail();
  t.is(held.state.session, 'session');
  t.is(held.state.plane.nodes.next, 7);
  t.deepEqual(held.failed, []);
  hold.look();
  t.is(sent.length, 1);
});

test('it goes on from every step, and tells nothing of a closing that ends later', (t) => {
  const { hold, plane, session, sent, closings } = setUp();
  hold.begin();
  hold.look();
  t.is(closings.length, 1);
  hold.goOn();
  t.false(plane.isHolding || session.isPaused);
  closings[0]!(0);
  t.deepEqual(sent, []);
  hold.begin();
  hold.look();
  t.is(closings.length, 2);
  closings[0]!(0);
  t.deepEqual(sent.length, 0);
  closings[1]!(0);
  t.is(sent.length, 1);
});

test('an image that cannot be closed leaves no state', (t) => {
  const { hold, sent, closings } = setUp();
  hold.begin();
  hold.look();
  closings[0]!(-5);
  t.deepEqual(sent, [{ kind: 'held', state: null, failed: [{ name: 'disk', errno: 5 }] }]);
});

test('in the place of another plane it is held from the start', (t) => {
  const { hold, plane, session, sent } = setUp();
  hold.beginHeld();
  t.true(plane.isHolding && session.isPaused);
  t.true(hold.isHeld);
  hold.look();
  t.deepEqual(sent, [{ kind: 'held', state: null, failed: [] }]);
  hold.goOn();
  t.false(hold.isHeld);
  t.false(plane.isHolding || session.isPaused);
});

test('limits do not make up for the time of a hold', (t) => {
  const { hold, plane, skips } = setUp();
  hold.begin();
  plane.nowNs = 5e9;
  hold.goOn();
  t.deepEqual(skips, [5e9]);
});

test('members of removed rules are gone before the state is taken, and after all has ended', (t) => {
  const { hold, closings, sweeps, sent } = setUp();
  hold.begin();
  hold.look();
  t.deepEqual(sweeps, []);
  closings[0]!(0);
  t.deepEqual(sweeps, [1]);
  t.is(sent.length, 1);
});
