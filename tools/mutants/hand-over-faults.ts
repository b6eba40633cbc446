import type { Mutation } from './mutation.js';

/** Faults of a mount that goes from process to process. */
const FAULTS: readonly Mutation[] = [
  {
    name: 'hold-does-not-wait',
    fault: 'the state is taken while requests are under way',
    changes: [
      {
        file: 'loop/hold.ts',
        from: 'session.sentCount > 0 || !plane.requests.areAll(WAITING)',
        to: 'session.sentCount > 0',
      },
    ],
  },
  {
    name: 'hold-drops-requests',
    fault: 'a request that comes while a data plane is being stilled is dropped',
    changes: [
      {
        file: 'loop/ring-loop.ts',
        from: '      if (!plane.isReceiving) {\n        // A receive',
        to: '      if (!plane.isReceiving || plane.isHolding) {\n        // A receive',
      },
    ],
  },
  {
    name: 'hold-keeps-metadata',
    fault:
      'the tables of images that are in memory are not written before another process opens them',
    changes: [
      {
        file: 'plane/carry-over.ts',
        from: '.filter(isLate);',
        to: '.filter((image) => isLate(image) && image.readOnly);',
      },
    ],
  },
  {
    name: 'counters-restart',
    fault: 'the figures of groups begin anew with each process',
    changes: [
      {
        file: 'throttle/carry-over.ts',
        from: "    counters.resume('groups', group.id, counted);\n",
        to: '',
      },
    ],
  },
];

/** Every run has hand-overs. */
export const HAND_OVER_FAULTS: readonly Mutation[] = FAULTS.map((one) => ({
  ...one,
  words: ['--hand-overs'],
}));
