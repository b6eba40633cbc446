import { declare } from './libc.js';

const timerCreate = declare<[number, Uint8Array, BigInt64Array]>(
  'int timer_create(int clock, const uint8_t *event, _Out_ int64_t *timer)',
);
const timerSettime = declare<[number, number, Uint8Array, null]>(
  'int timer_settime(intptr_t timer, int flags, const uint8_t *value, void *old)',
);

const CLOCK_MONOTONIC = 1;
const SIGKILL = 9;
/** struct sigevent: the signal is an i32 at 8; SIGEV_SIGNAL, 0, at 12. */
const EVENT_BYTES = 64;
const SIGNAL_AT = 8;
/** struct itimerspec: the interval, then seconds and nanoseconds of the first expiry. */
const SPEC_BYTES = 32;
const SECONDS_AT = 16;

/** Kills this process if it has not come to an end of something in time, also if all its threads hang. */
export class Deadline {
  readonly #timer: number;
  readonly #seconds: number;

  /** Where the kernel has no timer left there is no deadline. */
  constructor(seconds: number) {
    const event = new DataView(new ArrayBuffer(EVENT_BYTES));
    event.setInt32(SIGNAL_AT, SIGKILL, true);
    const timer = new BigInt64Array(1);
    const made = timerCreate(CLOCK_MONOTONIC, new Uint8Array(event.buffer), timer);
    this.#timer = made < 0 ? -1 : Number(timer[0]);
    this.#seconds = seconds;
    this.renew();
  }

  /** All the time again. */
  renew(): void {
    this.#set(this.#seconds);
  }

  /** There is none any more. */
  end(): void {
    this.#set(0);
  }

  #set(seconds: number): void {
    if (this.#timer < 0) return;
    const spec = new DataView(new ArrayBuffer(SPEC_BYTES));
    spec.setBigInt64(SECONDS_AT, BigInt(seconds), true);
    timerSettime(this.#timer, 0, new Uint8Array(spec.buffer), null);
  }
}
