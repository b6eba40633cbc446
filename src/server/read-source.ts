import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ErrorRecord, EXIT_FAILED, fromRecord, SluiceError } from '../util/errors.js';
import type { ConfigSource, MountConfig } from './config.js';

/** The words of the command line and the file, as they are now. */
export type SourceRead =
  | { error: null; config: MountConfig; said: readonly string[] }
  | { error: ErrorRecord };

/**
 * Reads a configuration file again, in a thread of its own: the daemon's main thread has other things to do, and the
 * memory for YAML and its schema goes with the thread.
 *
 * @param say takes a sentence for each thing of the file over which the command line wins
 * @throws SluiceError as `sluice mount --config` does
 */
export async function readSource(
  source: ConfigSource,
  say: (sentence: string) => void,
): Promise<MountConfig> {
  const worker = new Worker(join(import.meta.dirname, '../cli/config-worker.js'), {
    name: 'sluice-config',
    workerData: source,
  });
  try {
    const read = await answerOf(worker);
    if (read.error !== null) throw fromRecord(read.error);
    for (const sentence of read.said) say(sentence);
    return read.config;
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    const message = `${source.file}: cannot be read: ${(error as Error).message}`;
    throw new SluiceError(message, 'EIO', EXIT_FAILED, error);
  } finally {
    await worker.terminate();
  }
}

/** @throws Error if the thread ends without an answer */
async function answerOf(worker: Worker): Promise<SourceRead> {
  const answered = once(worker, 'message') as Promise<[SourceRead]>;
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(`its thread ended with code ${code}`);
  });
  // The other one fails later, when nobody looks any more.
  for (const one of [answered, ended]) one.catch(() => {});
  const [read] = await Promise.race([answered, ended]);
  return read;
}
