import { parentPort, workerData } from 'node:worker_threads';
import type { ConfigSource } from '../server/config.js';
import type { SourceRead } from '../server/read-source.js';
import { recordOf } from '../util/errors.js';
import { readConfigFile } from './config-file.js';
import { buildMountConfig } from './mount-config.js';
import type { MountArguments } from './mount-options.js';

/** Entry of the thread that reads a configuration file again for a daemon. */
function read({ file, words, directory }: ConfigSource): SourceRead {
  try {
    const said: string[] = [];
    const args = words as unknown as MountArguments;
    const say = (sentence: string): void => void said.push(sentence);
    return {
      error: null,
      config: buildMountConfig(args, directory, readConfigFile(file), say),
      said,
    };
  } catch (error) {
    return { error: recordOf(error) };
  }
}

parentPort!.postMessage(read(workerData as ConfigSource));
