/** A device as the simulator sees it. */
export interface Device {
  readonly name: string;
  /** Requests of 4 KiB that it completes per second with `inflight` of them inside. */
  readonly rate: (inflight: number) => number;
  /** Requests per second that the applications can turn around: their processor time. */
  readonly clientRate: number;
  /** Others use the machine too; absent: nobody does. */
  readonly noise?: Noise;
}

/** What changes every 20 ms. */
export interface Noise {
  /** Standard deviation of the logarithm of the device's rate; it forgets a tenth of itself each time. */
  readonly deviation: number;
  /** How likely the applications get no processor for the next 10 ms. */
  readonly stalls: number;
}

/** A curve through measured points [in flight, requests per second]; straight lines between them. */
function curve(points: readonly (readonly [number, number])[]): (inflight: number) => number {
  return (inflight) => {
    const after = points.findIndex(([depth]) => depth >= inflight);
    if (after === -1) return points[points.length - 1][1];
    if (after === 0) return (points[0][1] * inflight) / points[0][0];
    const [d0, r0] = points[after - 1];
    const [d1, r1] = points[after];
    return r0 + ((r1 - r0) * (inflight - d0)) / (d1 - d0);
  };
}

/** c units that work side by side, each on one request for a fixed mean time. */
const units = (count: number, microseconds: number) => (inflight: number) =>
  (Math.min(inflight, count) * 1e6) / microseconds;

// The window's curve that the design measured: 40 K at 8, 46 at 16, 60 at 32, 80-88 at 64, 92 at most.
const virtio: Device = {
  name: 'virtio disk as measured',
  rate: curve([
    [1, 14e3],
    [2, 24e3],
    [4, 33e3],
    [8, 40e3],
    [16, 46e3],
    [32, 60e3],
    [64, 86e3],
    [96, 100e3],
    [256, 120e3],
  ]),
  clientRate: 95e3,
};

export const DEVICES: Readonly<Record<string, Device>> = {
  virtio,
  // The same where requests a second wander by a tenth, as they were seen to.
  noisy: { ...virtio, name: 'virtio disk, shared', noise: { deviation: 0.1, stalls: 0.03 } },
  ssd: { name: '32 units of 350 us', rate: units(32, 350), clientRate: 200e3 },
  fixed: { name: 'fixed 100 us, 8 units', rate: units(8, 100), clientRate: 200e3 },
  // Seeks are sorted: deeper queues make shorter ways, up to about twice.
  rotating: {
    name: 'rotating disk',
    rate: curve([
      [1, 90],
      [4, 120],
      [16, 160],
      [32, 180],
      [128, 190],
    ]),
    clientRate: 200e3,
  },
  // A plain system call does the work: one request after the other, and the applications are slower.
  memory: { name: 'tmpfs, synchronous', rate: () => 1e6, clientRate: 200e3 },
};
