/** A device number as Linux writes it: `8:1`. */
export interface DeviceNumber {
  major: number;
  minor: number;
}

/** Splits a `dev_t` as glibc packs it (`st_dev`, `st_rdev`; see makedev(3)), 12 + 20 bits. */
export function splitDeviceNumber(device: number): DeviceNumber {
  return {
    major: (device >>> 8) & 0xfff,
    minor: (device & 0xff) | ((device >>> 12) & 0xfff00),
  };
}
