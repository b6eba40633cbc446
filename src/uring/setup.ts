import { readText } from '../sys/files.js';
import { uringRegister, uringSetup } from '../sys/io-uring.js';
import { close } from '../sys/libc.js';
import { ERRNO, errnoName } from '../util/errno.js';
import { EXIT_MOUNT, SluiceError } from '../util/errors.js';
import * as abi from './abi.js';

/**
 * Set-up flags to try: those of Linux 6.1 first, then those of 5.19. With DEFER_TASKRUN completions run
 * only when this thread enters the kernel, so one system call reaps a whole batch.
 */
const FLAG_LADDER = [
  abi.SETUP_SINGLE_ISSUER | abi.SETUP_DEFER_TASKRUN | abi.SETUP_TASKRUN_FLAG,
  abi.SETUP_COOP_TASKRUN | abi.SETUP_TASKRUN_FLAG,
];

const REQUIRED_FEATURES =
  abi.FEAT_SINGLE_MMAP | abi.FEAT_NODROP | abi.FEAT_EXT_ARG | abi.FEAT_CQE_SKIP;

/** Opcodes that the data plane needs. */
const REQUIRED_OPCODES = [abi.OP_FSYNC, abi.OP_FALLOCATE, abi.OP_READ, abi.OP_WRITE];

/**
 * Makes a ring with the best flags that the kernel accepts, and fills `params` with its answer.
 * @param more Flags that it must have.
 * @returns The descriptor of the ring.
 * @throws SluiceError (EXIT_MOUNT) with the reason why io_uring cannot be used, and a remedy.
 */
export function setUpRing(entries: number, params: DataView, more = 0): number {
  let result = -ERRNO.EINVAL;
  for (const flags of FLAG_LADDER) {
    fillParams(params, entries, flags | more);
    result = uringSetup(entries, params);
    if (result !== -ERRNO.EINVAL) break;
  }
  if (result < 0) throw refusal(-result);
  const features = params.getUint32(abi.PARAMS_FEATURES, true);
  if ((features & REQUIRED_FEATURES) !== REQUIRED_FEATURES || !hasOpcodes(result)) {
    close(result);
    throw refusal(ERRNO.EINVAL);
  }
  return result;
}

function fillParams(params: DataView, entries: number, flags: number): void {
  for (let at = 0; at < abi.PARAMS_BYTES; at += 4) params.setUint32(at, 0, true);
  params.setUint32(abi.PARAMS_FLAGS, flags | abi.SETUP_CQSIZE | abi.SETUP_SUBMIT_ALL, true);
  // Four times the submission queue: a turn may queue, flush and queue again before it reads any.
  params.setUint32(abi.PARAMS_CQ_ENTRIES, entries * 4, true);
}

function hasOpcodes(ring: number): boolean {
  const count = 256;
  const probe = new Uint8Array(abi.PROBE_BYTES + count * abi.PROBE_OP_BYTES);
  if (uringRegister(ring, abi.REGISTER_PROBE, probe, count) < 0) return false;
  return REQUIRED_OPCODES.every((opcode) => {
    const at = abi.PROBE_BYTES + opcode * abi.PROBE_OP_BYTES + abi.PROBE_OP_FLAGS;
    return (probe[at]! & abi.PROBE_OP_SUPPORTED) !== 0;
  });
}

/** The error for a ring that the kernel refused, with a remedy. */
export function refusal(errno: number, disabled: string = disabledSetting()): SluiceError {
  return new SluiceError(`io_uring: ${reason(errno, disabled)}`, errnoName(errno), EXIT_MOUNT);
}

function reason(errno: number, disabled: string): string {
  if (errno === ERRNO.ENOSYS) return 'this kernel has none; Linux 5.19 or newer is needed';
  if (errno === ERRNO.EINVAL) return 'this kernel is too old; Linux 5.19 or newer is needed';
  if (errno === ERRNO.ENOMEM) return 'not enough locked memory; raise `ulimit -l`';
  if (errno === ERRNO.EMFILE) return 'too many open files; raise `ulimit -n`';
  if (errno !== ERRNO.EPERM) return `set-up failed with ${errnoName(errno)}`;
  if (disabled !== '0' && disabled !== '') {
    return `forbidden by kernel.io_uring_disabled=${disabled}; run \`sysctl kernel.io_uring_disabled=0\``;
  }
  return (
    'forbidden here, most likely by a seccomp profile (the default of container engines); ' +
    'allow io_uring_setup, io_uring_enter and io_uring_register'
  );
}

function disabledSetting(): string {
  return readText('/proc/sys/kernel/io_uring_disabled')?.trim() ?? '';
}

/** Makes a small ring and closes it. @throws SluiceError as `setUpRing` does. */
export function probeRing(more = 0): void {
  close(setUpRing(8, new DataView(new ArrayBuffer(abi.PARAMS_BYTES)), more));
}
