import type { MountConfig } from '../../src/server/config.js';

/** The configuration of `sluice mount IMAGE... MOUNTPOINT`, with the changes in `own`. */
export function mountConfig(own: Partial<MountConfig>): MountConfig {
  return {
    mountpoint: '/nowhere',
    images: [],
    groups: [],
    assignments: [],
    untrusted: false,
    readOnly: false,
    passthrough: [],
    growable: false,
    direct: true,
    nbd: { timeoutMs: 30_000, connections: 4 },
    cache: 'none',
    metadataCache: 16777216,
    partitions: { sectorSize: null },
    depth: 'auto',
    transport: 'auto',
    pollUs: 50,
    allowOther: false,
    keeper: false,
    owner: null,
    mode: null,
    mountOptions: [],
    verbose: false,
    foreground: false,
    metrics: null,
    metricsToken: null,
    logFile: null,
    source: null,
    ...own,
  };
}
