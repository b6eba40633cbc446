export { meanOf, p99Of, requestsOf } from '../control/usage.js';

/** The span of these figures, and the time from one look at them to the next. */
export const SECOND_MS = 1000;
