/**
 * An address of this machine that no other process of the tests listens on: all of 127.0.0.0/8 is ours. So a port is
 * free, though others take ports at the same time.
 */
export const OWN_ADDRESS = `127.${1 + (process.pid >> 16)}.${(process.pid >> 8) & 255}.${process.pid & 255}`;

/** Ports that the kernel gives nobody. */
export const OWN_PORTS = [21_001, 21_002, 21_003] as const;
