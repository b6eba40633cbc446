import { NS_PER_US } from '../control/values.js';
import { EXIT_FAILED, SluiceError } from '../util/errors.js';
import type { Caller } from './caller-names.js';

/** A caller as JSON shows it; the manual describes it. */
export type CallerJson = Omit<Caller, 'waitNs' | 'serviceNs' | 'longestNs' | 'followedNs'> & {
  waitUsec: number;
  serviceUsec: number;
  longestUsec: number;
  followedUsec: number;
};

const us = (ns: number): number => Math.round(ns / NS_PER_US);

export function callerJson(caller: Caller): CallerJson {
  const { waitNs, serviceNs, longestNs, followedNs, ...same } = caller;
  const times = { waitUsec: us(waitNs), serviceUsec: us(serviceNs) };
  return { ...same, ...times, longestUsec: us(longestNs), followedUsec: us(followedNs) };
}

export function readCaller(json: CallerJson): Caller {
  const { waitUsec, serviceUsec, longestUsec, followedUsec, ...same } = json;
  return {
    ...same,
    waitNs: waitUsec * NS_PER_US,
    serviceNs: serviceUsec * NS_PER_US,
    longestNs: longestUsec * NS_PER_US,
    followedNs: followedUsec * NS_PER_US,
  };
}

/** The error where nobody knows who calls. */
export function untold(mountpoint: string): SluiceError {
  const why = 'its transport is fuse-native, which does not tell who calls';
  return new SluiceError(`${mountpoint}: ${why}`, 'EOPNOTSUPP', EXIT_FAILED);
}
