import type { HostFile } from '../host/host-file.js';
import type { LayerConfig } from './build-chain.js';
import type { OpenChain } from './open-chain.js';

/** The host files of a chain, and its layers with files as indices in that list. */
export interface ChainFiles {
  sources: HostFile[];
  layers: LayerConfig[];
}

/** Numbers the host files of a chain: the image itself is 0. */
export function numberFiles(chain: OpenChain): ChainFiles {
  const sources: HostFile[] = [];
  const layers = chain.layers.map(({ source, qcow }): LayerConfig => {
    const file = sources.push(source) - 1;
    const { size: hostSize } = source;
    if (qcow === null) return { file, hostSize, qcow };
    const { layout, l1, dataSource } = qcow;
    const dataFile = dataSource === null ? file : sources.push(dataSource) - 1;
    return { file, hostSize, qcow: { layout, l1, dataFile } };
  });
  return { sources, layers };
}
