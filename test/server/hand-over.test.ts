import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FigureReader } from '../../src/control/figures.js';
import { HandOver, type HandOverParts } from '../../src/server/hand-over.js';
import type { OpenImage } from '../../src/server/open-images.js';
import { STATE_VERSION } from '../../src/server/successor.js';
import { SluiceError } from '../../src/util/errors.js';
import { mountConfig } from '../helpers/mount-config.js';
import { requires } from '../helpers/requires.js';
import { tempFolder } from '../helpers/temp.js';

const linuxTest = requires('resend');

const HELD = { identity: 'file 1:2', path: '/web.img', format: 'raw' };

function image(own: object = {}, files: object[] = [{}]): OpenImage {
  const disk = { name: 'web', path: '/web.img', format: 'raw', readOnly: false, image: { files } };
  return {
    ...{ disk: { ...disk, ...own } as never, identity: 'file 1:2', descriptors: [], locked: [] },
    holds: [{ ...HELD, descriptor: 0, claim: -1, memory: -1 }],
  };
}

/** A mount whose successor answers each message as the body of a function says; notes what it is asked for. */
function setUp(t: ExecutionContext, answer: string, own: Partial<HandOverParts> = {}) {
  const steps: string[] = [];
  const note = (step: string) => (): void => void steps.push(step);
  const program = join(tempFolder(t), 'successor.cjs');
  const say = `const say = (message) => process.send(message);
    const loaded = { kind: 'loaded', version: ${STATE_VERSION} };`;
  writeFileSync(program, `${say}\nprocess.on('message', (message) => {${answer}});\n`);
  let state = 'serving';
  const plane = {
    figures: new FigureReader(),
    held: (_state: unknown, _failed: unknown): void => {},
    hold: (): void => {
      steps.push('hold');
      plane.held({ plane: {}, session: {} }, []);
    },
    goOn: note('plane goes on'),
    order: async () => ({ shown: { mount: { depth: 64, cost: 'linear' } } }),
  };
  const parts = {
    config: mountConfig({}),
    mount: { fd: 1, byFusermount: false },
    images: { all: [image()] },
    orders: { pause: async () => steps.push('pause'), goOn: note('orders go on'), asked: [] },
    reload: { config: mountConfig({}) },
    plane,
    log: { info: () => {}, warn: (text: string) => steps.push(text), error: () => {} },
    transport: 'uring',
    record: { fd: 2, passTo: (pid: number) => steps.push(`record of ${pid > 1}`) },
    keeper: null,
    manager: { isThere: false, passTo: (pid: number) => steps.push(`main is ${pid > 1}`) },
    tell: ({ kind }: { kind: string }) => {
      steps.push(kind);
      state = { 'hand-over': 'handing-over', kept: 'serving' }[kind] ?? 'closing';
      if (kind === 'handed-over') void handOver.finish().then(note('finished'));
    },
    isServing: () => state === 'serving',
    isHandingOver: () => state === 'handing-over',
    program,
    ...own,
  } as unknown as HandOverParts;
  const handOver = new HandOver(parts);
  t.teardown(() => handOver.giveUp());
  return { handOver, steps, plane, recall: () => (state = 'recalled') };
}

const GOOD = `
  if (message.kind === 'take-over') say(loaded);
  if (message.kind === 'state') say({ kind: 'prepared' });
  if (message.kind === 'go') { say({ kind: 'ready' }); say({ kind: 'reachable' }); }`;

async function failure(t: ExecutionContext, run: Promise<unknown>): Promise<string> {
  return (await t.throwsAsync(run, { instanceOf: SluiceError }))!.message;
}

linuxTest(
  'the plane is still before the state goes over, and has ended before it is let go',
  async (t) => {
    const { handOver, steps } = setUp(t, GOOD);
    const { pid, stallMs } = await handOver.run();
    t.true(pid > 1 && stallMs >= 0);
    t.deepEqual(steps.slice(0, 5), [
      ...['pause', 'hand-over', 'hold', 'handed-over', 'record of true'],
    ]);
  },
);

linuxTest(
  'a service in the foreground is the new process, also for the service manager',
  async (t) => {
    const mains: number[] = [];
    const manager = { isThere: true, passTo: (pid: number) => void mains.push(pid) };
    const config = mountConfig({ foreground: true });
    const { handOver } = setUp(t, GOOD, { config, manager });
    const { pid } = await handOver.run();
    t.deepEqual(mains, [pid]);
  },
);

linuxTest('a successor that refuses is gone before the plane goes on', async (t) => {
  const refusing = `
    if (message.kind === 'take-over') say(loaded);
    if (message.kind === 'state') {
      const [claim] = [message.handed.holds[0].claim];
      say({ kind: 'failed', message: 'hold ' + message.handed.holds[0].descriptor + ' ' + claim, errno: 'ESTALE', exitCode: 1 });
    }`;
  const { handOver, steps } = setUp(t, refusing);
  t.is(await failure(t, handOver.run()), 'hold 5 -1');
  t.deepEqual(steps, [
    ...['pause', 'hand-over', 'hold', 'plane goes on', 'kept', 'orders go on'],
    'not restarted: hold 5 -1',
  ]);
});

linuxTest('one that dies or is of another version changes nothing', async (t) => {
  const dead = setUp(t, 'process.exit(7);');
  t.is(await failure(t, dead.handOver.run()), 'the new daemon ended with code 7; see the log');
  t.deepEqual(dead.steps.slice(0, 2), ['pause', 'orders go on']);
  const other = setUp(t, `say({ kind: 'loaded', version: ${STATE_VERSION + 1} });`);
  const message = `the new daemon knows state ${STATE_VERSION + 1}, and`;
  t.true((await failure(t, other.handOver.run())).startsWith(message));
  t.false(other.steps.includes('hold'));
});

linuxTest('a signal meanwhile ends the mount here, and not there', async (t) => {
  const one = setUp(t, GOOD);
  one.plane.hold = () => {
    one.recall();
    one.plane.held({ plane: {}, session: {} }, []);
  };
  t.is(await failure(t, one.handOver.run()), 'the mount is ending or being restarted');
  t.deepEqual(one.steps.slice(2, 4), ['plane goes on', 'kept']);
});

/** A keeper that notes what is asked of it. */
function fakeKeeper(steps: () => string[]): HandOverParts['keeper'] {
  return {
    first: 6,
    isThere: true,
    start: (_point, descriptors, { fuse, holds, record }) => {
      const places = [fuse, holds[0]?.descriptor, record];
      return steps().push(`keeper of ${descriptors} at ${places}`);
    },
    stop: async () => void steps().push('no keeper'),
  };
}

linuxTest(
  'a keeper is away before a successor is prepared, and comes again if that fails',
  async (t) => {
    const refusing = `
    if (message.kind === 'take-over') say(loaded);
    if (message.kind === 'state') say({ kind: 'failed', message: 'no', errno: 'EIO', exitCode: 1 });`;
    const one = setUp(t, refusing, { keeper: fakeKeeper(() => one.steps) });
    await one.handOver.keep();
    t.is(await failure(t, one.handOver.run()), 'no');
    const keeper = ['no keeper', 'keeper of 1,0,2 at 6,7,8'];
    t.deepEqual(
      one.steps.filter((step) => !step.startsWith('record of')),
      [
        ...keeper,
        ...['pause', 'hand-over', 'hold', 'no keeper', 'plane goes on', 'kept'],
        ...keeper,
        ...['orders go on', 'not restarted: no'],
      ],
    );
  },
);

linuxTest('at the end of the mount no keeper is left, and none comes', async (t) => {
  const one = setUp(t, GOOD, { keeper: fakeKeeper(() => one.steps) });
  void one.handOver.keep();
  await one.handOver.giveUp();
  await one.handOver.keep();
  t.is(one.steps.at(-1), 'no keeper');
});

linuxTest('an image that cannot be closed keeps the mount here', async (t) => {
  const one = setUp(t, GOOD);
  one.plane.hold = () => one.plane.held(null, [{ name: 'web', errno: 28 }]);
  t.regex(await failure(t, one.handOver.run()), /^web: .*ENOSPC/);
  t.true(one.steps.includes('kept'));
});

linuxTest('two at once are refused', async (t) => {
  const { handOver } = setUp(t, GOOD);
  const first = handOver.run();
  t.is(await failure(t, handOver.run()), 'the mount is ending or being restarted');
  await first;
});

const IMPOSSIBLE: readonly [string, Partial<HandOverParts>, string][] = [
  [
    'another transport',
    { transport: 'fuse-uring' },
    'the transport is fuse-uring, and uring is needed',
  ],
  [
    'the foreground',
    { config: mountConfig({ foreground: true }) },
    'it runs in the foreground, and not as a service of Type=notify',
  ],
  ['passthrough', { images: { all: [image({ backing: 9 })] } }, '/web.img is passed through'],
  [
    'an export',
    { images: { all: [image({}, [{}, { nbd: {} }])] } },
    '/web.img is an export of an NBD server',
  ],
  [
    'another format that is written',
    { images: { all: [image({ format: 'vdi' })] } },
    '/web.img is vdi, and is written',
  ],
];

for (const [title, own, why] of IMPOSSIBLE) {
  linuxTest(`${title}: refused before anything is done`, async (t) => {
    const { handOver, steps } = setUp(t, GOOD, own);
    const message = await failure(t, handOver.run());
    t.is(message, `the mount cannot go to a new daemon: ${why}; umount and mount again`);
    t.deepEqual(steps, []);
  });
}
