/**
 * What a completion belongs to: a kind in the high byte of the tag, an index in the rest. Requests
 * are fewer than 2^24.
 */
export const TAG_RECEIVE = 1 << 24; // + slot
export const TAG_REPLY = 2 << 24; // + request
export const TAG_IO = 3 << 24; // + request
export const TAG_WAKE = 4 << 24;
/** A reply that asks for a completion only where it fails: + place in `DeviceSession`'s list of these. */
export const TAG_SENT = 5 << 24;
export const TAG_KIND = 0x7f000000;
export const TAG_INDEX = 0x00ffffff;
