import { closeSync, openSync } from 'node:fs';
import { release } from 'node:os';
import { knowsBackingFiles } from '../fuse/backing-files.js';
import { RING_SWITCH_COMMAND, ringSwitch } from '../fuse/ring-support.js';
import { findProgram, readText } from '../sys/files.js';
import { isLinuxSince } from '../util/version.js';
import { fuseProtocol, ourError, ringFeatures } from './doctor-ring.js';
import { chooseTransport, type Transport } from './transport.js';

/** One thing that a mount can use. */
export interface Check {
  name: string;
  /** `no` alone keeps a mount from working where `needed`. */
  state: 'yes' | 'no';
  /** The finding. */
  found: string;
  /** How to get it; empty where there is nothing to do. */
  advice: string;
}

/** The findings about this machine. */
export interface Diagnosis {
  /** A mount by this user would work. */
  works: boolean;
  /** The choice of `--transport auto`; null if nothing works. */
  transport: Transport['kind'] | null;
  /** Why. */
  why: string;
  checks: Check[];
}

const FUSE_CONF = '/etc/fuse.conf';
/** Descriptors for the images of a large mount and for the daemon itself. */
const OPEN_FILES = 1024;
/** Two rings of 512 entries, on kernels that count them (before 5.12). */
const LOCKED_BYTES = 64 << 10;

const RIGHTS = 'mount rights';
/** Number of the capability that mount(2) asks for. */
const CAP_SYS_ADMIN = 21n;

function check(name: string, ok: boolean, found: string, advice: string): Check {
  return { name, state: ok ? 'yes' : 'no', found, advice: ok ? '' : advice };
}

function checkKernel(): Check {
  const ok = isLinuxSince(5, 19);
  const advice = 'run Linux 5.19 or newer for the ring; fuse-native works from 4.20 on';
  return check('kernel', ok, release(), advice);
}

/** Opened for real: where a container may not use devices, access(2) says yes all the same. */
function checkDevice(): Check {
  let error: string | null = null;
  try {
    closeSync(openSync('/dev/fuse', 'r+'));
  } catch (reason) {
    error = (reason as NodeJS.ErrnoException).code ?? 'EIO';
  }
  const advice =
    error === 'ENOENT'
      ? 'load the module with modprobe fuse, or in a container pass --device /dev/fuse'
      : error === 'EACCES' && process.geteuid?.() !== 0
        ? 'allow read and write with chmod 666 /dev/fuse'
        : 'in a container pass --device /dev/fuse';
  return check('/dev/fuse', error === null, error ?? 'can be opened', advice);
}

/** FUSE over io_uring: kernel 6.14, and a switch of the module. */
function checkFuseUring(): Check {
  const state = ringSwitch();
  const advice =
    state === null
      ? 'run Linux 6.14 or newer'
      : `for --transport fuse-uring, run as root: ${RING_SWITCH_COMMAND}`;
  const found = state === null ? 'not in this kernel' : `turned ${state}`;
  return check('fuse-uring', state === 'on', found, advice);
}

/** `--passthrough`: kernel 6.9, and the right to it. A kernel built without says so at the mount. */
function checkPassthrough(): Check {
  if (!knowsBackingFiles()) {
    return check('passthrough', false, 'not in this kernel', 'run Linux 6.9 or newer');
  }
  const may = mayAdminister();
  const found = may ? 'by --passthrough' : 'for root only';
  return check('passthrough', may, found, 'mount as root, with CAP_SYS_ADMIN');
}

/** Root, with the capability that mount(2) and passthrough ask for. */
function mayAdminister(): boolean {
  if (process.geteuid?.() !== 0) return false;
  const word = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText('/proc/self/status') ?? '')?.[1];
  return word === undefined || ((BigInt(`0x${word}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/** root mounts by itself, others by a program that may. */
function checkRights(): Check {
  if (process.geteuid?.() !== 0) {
    const path = findProgram('fusermount3');
    const found = path === null ? 'neither root nor fusermount3' : 'by fusermount3';
    return check(RIGHTS, path !== null, found, 'apt-get install fuse3, or run it as root');
  }
  const may = mayAdminister();
  const found = may ? 'root' : 'root without CAP_SYS_ADMIN';
  return check(RIGHTS, may, found, 'in a container pass --cap-add SYS_ADMIN');
}

function checkFusermount(): Check {
  const path = findProgram('fusermount3');
  return check('fusermount3', path !== null, path ?? 'not found', 'apt-get install fuse3');
}

function checkAllowOther(): Check {
  const set = /^\s*user_allow_other\s*$/m.test(readText(FUSE_CONF) ?? '');
  const advice = `put the line user_allow_other into ${FUSE_CONF} if users shall mount for others`;
  return check('user_allow_other', set, set ? 'set' : 'not set', advice);
}

/** A soft limit of /proc/self/limits; Infinity for `unlimited`. */
function softLimit(limits: string, name: string): number {
  const word = new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(limits)?.[1];
  return word === undefined || word === 'unlimited' ? Infinity : Number(word);
}

function checkLimits(): Check[] {
  const limits = readText('/proc/self/limits') ?? '';
  const files = softLimit(limits, 'Max open files');
  const locked = softLimit(limits, 'Max locked memory');
  return [
    check('open files', files >= OPEN_FILES, String(files), 'raise it with ulimit -n 1048576'),
    check('locked memory', locked >= LOCKED_BYTES, String(locked), 'raise it with ulimit -l'),
  ];
}

async function checkNative(): Promise<Check> {
  const error = await chooseTransport('fuse-native').then(
    () => null,
    (reason: Error) => reason.message,
  );
  const advice = 'npm install fuse-native, on x64; it is needed only without io_uring';
  return check('fuse-native', error === null, error ?? 'can be loaded', advice);
}

function checkFuseVersion(): Check {
  const file = readText('/proc/filesystems') ?? '';
  const ok = /^nodev\s+fuse$/m.test(file);
  const found = ok ? fuseProtocol(release()) : 'not in this kernel';
  return check('FUSE', ok, found, 'load the module with modprobe fuse');
}

/** Looks at the machine; mounts nothing. */
export async function diagnose(): Promise<Diagnosis> {
  const ring = ringFeatures();
  const checks = [
    checkKernel(),
    checkFuseVersion(),
    checkDevice(),
    check('io_uring', ring.works, ring.found, ring.advice),
    await checkNative(),
    checkFuseUring(),
    checkPassthrough(),
    checkRights(),
    checkFusermount(),
    checkAllowOther(),
    ...checkLimits(),
  ];
  const chosen = await chooseTransport('auto').catch(ourError);
  return conclude(checks, chosen);
}

function conclude(checks: Check[], chosen: Transport | Error): Diagnosis {
  const has = (name: string): boolean =>
    checks.some((one) => one.name === name && one.state === 'yes');
  const works = !(chosen instanceof Error) && has('/dev/fuse') && has(RIGHTS);
  const transport = chosen instanceof Error ? null : chosen.kind;
  const why = chosen instanceof Error ? chosen.message : chosen.why;
  return { works, transport, why, checks };
}
