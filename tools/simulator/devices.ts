/** A device as the simulator sees it. */
export interface Device {
  readonly name: string;
  /** Requests of 4 KiB completed per second with `inflight` requests in the device. */
  readonly rate: (inflight: number) => number;
  /** Requests per second for which the applications have processor time. */
  readonly clientRate: number;
  /** Disturbance by others who use the machine; absent: none. */
  readonly noise?: Noise;
}

/** A disturbance that changes every 20 ms. */
export interface Noise {
  /** Standard deviation of the logarithm of the device's rate. A tenth of it decays at each change. */
  readonly deviation: number;
  /** Probability that the applications get no processor for the next 10 ms. */
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

/** `count` units that work in parallel, each on one request for a fixed mean time. */
const units = (count: number, microseconds: number) => (inflight: number) =>
  (Math.min(inflight, count) * 1e6) / microseconds;

// The measured curve by window: 40 K at 8, 46 at 16, 60 at 32, 80-88 at 64, 92 at most.
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
  // The same device with a rate that drifts by a tenth, as was measured.
  noisy: { ...virtio, name: 'virtio disk, shared', noise: { deviation: 0.1, stalls: 0.03 } },
  ssd: { name: '32 units of 350 us', rate: units(32, 350), clientRate: 200e3 },
  fixed: { name: 'fixed 100 us, 8 units', rate: units(8, 100), clientRate: 200e3 },
  // Seeks are sorted: with deeper queues the head moves less, which gains up to about twice the rate.
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
  // A system call does the work, one request after the other, and the applications are the bottleneck.
  memory: { name: 'tmpfs, synchronous', rate: () => 1e6, clientRate: 200e3 },
};
