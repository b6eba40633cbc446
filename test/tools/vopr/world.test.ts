import test from 'ava';
import { outside } from '../../../tools/vopr/image-orders.js';
import { World } from '../../../tools/vopr/world.js';

test('what promises of a session do does not happen in the next one', async (t) => {
  const world = new World();
  let isDone = false;
  const ends = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) await null;
    isDone = true;
    world.stop = 'death';
    world.schedule(0, () => t.fail('an event of a session that is over'));
  };
  await outside(() => {
    void ends();
    world.clear();
  });
  t.true(isDone);
  t.is(world.stop, null);
  world.runDue();
});
