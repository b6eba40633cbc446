import { close } from '../sys/libc.js';
import * as abi from '../uring/abi.js';
import { setUpRing } from '../uring/setup.js';
import { SluiceError } from '../util/errors.js';

/** Features that we use or that matter for speed, by name. */
const FEATURES: readonly (readonly [name: string, bit: number])[] = [
  ['single mmap', abi.FEAT_SINGLE_MMAP],
  ['no drop', abi.FEAT_NODROP],
  ['timed wait', abi.FEAT_EXT_ARG],
  ['silent success', abi.FEAT_CQE_SKIP],
];

/** Whether this machine has a ring; its features, or why there is none; and the remedy. */
export function ringFeatures(): { works: boolean; found: string; advice: string } {
  const params = new DataView(new ArrayBuffer(abi.PARAMS_BYTES));
  try {
    close(setUpRing(8, params));
  } catch (error) {
    // `io_uring: what is wrong; what to do`
    const [what = '', ...advice] = (error as Error).message.split('; ');
    return { works: false, found: what.replace('io_uring: ', ''), advice: advice.join('; ') };
  }
  const bits = params.getUint32(abi.PARAMS_FEATURES, true);
  const deferred = (params.getUint32(abi.PARAMS_FLAGS, true) & abi.SETUP_DEFER_TASKRUN) !== 0;
  const names = FEATURES.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
  if (deferred) names.push('deferred work');
  return { works: true, found: names.join(', '), advice: '' };
}

/** Versions of the FUSE protocol by the kernel that brought them, newest first. */
const PROTOCOLS: readonly (readonly [kernel: string, protocol: string])[] = [
  ['6.18', '7.45'],
  ['6.16', '7.44'],
  ['6.15', '7.43'],
  ['6.14', '7.42'],
  ['6.12', '7.41'],
  ['6.9', '7.40'],
  ['6.6', '7.39'],
  ['6.2', '7.38'],
  ['6.1', '7.37'],
  ['5.17', '7.36'],
  ['5.16', '7.35'],
  ['5.14', '7.34'],
  ['5.11', '7.33'],
  ['4.20', '7.28'],
];

/** The protocol of a kernel, as a sentence; only a mount could ask the kernel itself. */
export function fuseProtocol(kernel: string): string {
  const number = (text: string): number => {
    const [major = 0, minor = 0] = text.split('.').map(Number);
    return major * 1000 + minor;
  };
  const row = PROTOCOLS.find(([from]) => number(kernel) >= number(from));
  return row === undefined ? 'protocol before 7.28' : `protocol ${row[1]}, by the kernel's version`;
}

/** An error that is meant for the user; anything else is thrown again. */
export function ourError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  throw error;
}
