/** Share of time in percent over the last 10, 60 and 300 s, and the total in microseconds. */
export interface PressureFigures {
  avg10: number;
  avg60: number;
  avg300: number;
  totalUs: number;
}

/** A group's stall, as /proc/pressure/io defines it. */
export interface Pressure {
  /** At least one request of the group waits. */
  some: PressureFigures;
  /** All outstanding requests of the group wait. */
  full: PressureFigures;
}
