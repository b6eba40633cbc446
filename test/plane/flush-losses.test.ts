import test from 'ava';
import { FlushLosses } from '../../src/plane/flush-losses.js';

const EIO = 5;

test('every handle that was open gets the error once, and later ones do not', (t) => {
  const losses = new FlushLosses();
  t.is(losses.report(1), 0);
  // Handles 1 to 3 are open; 2 gets the error with its own flush.
  losses.add(EIO, 3, 2);
  t.deepEqual(
    [1, 2, 3, 4].map((handle) => losses.report(handle)),
    [-EIO, 0, -EIO, 0],
  );
  t.deepEqual(
    [1, 2, 3, 4].map((handle) => losses.report(handle)),
    [0, 0, 0, 0],
  );
  t.is(losses.errno, EIO, 'what is lost stays lost: the end of the mount tells of it');
});

test('a second loss is told again, to all that are open by then', (t) => {
  const losses = new FlushLosses();
  losses.add(EIO, 1, 1);
  losses.add(28, 2, -1);
  t.deepEqual(
    [1, 2, 3].map((handle) => losses.report(handle)),
    [-28, -28, 0],
  );
});

test('a flush through no handle has no part in a loss', (t) => {
  const losses = new FlushLosses();
  losses.add(EIO, 3, 2);
  t.is(losses.report(-1), 0);
  t.is(losses.report(1), -EIO, 'handles are told all the same');
});
