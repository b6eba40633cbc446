/** The tag of a completion has a kind in its high byte and an index, below 2^24, in the rest. */
export const TAG_RECEIVE = 1 << 24; // + slot
export const TAG_REPLY = 2 << 24; // + request
export const TAG_IO = 3 << 24; // + request
export const TAG_WAKE = 4 << 24;
/** A reply with a completion only if it fails: + index in `DeviceSession`'s list of such replies. */
export const TAG_SENT = 5 << 24;
/** A send or a receive of a socket: + index in `RingSockets`. */
export const TAG_SOCKET_SENT = 6 << 24;
export const TAG_SOCKET_RECEIVED = 7 << 24;
/** A request has come into an entry of a FUSE queue: + its slot. */
export const TAG_ENTRY = 8 << 24;
/** Requests have been cancelled. */
export const TAG_CANCEL = 9 << 24;
export const TAG_KIND = 0x7f000000;
export const TAG_INDEX = 0x00ffffff;
