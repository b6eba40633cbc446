import { mkdirSync, rmdirSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { eventually } from './proc.js';

/** Makes a cgroup that is removed after the test, when its last process is gone: until then it is busy. */
export function makeCgroup(t: ExecutionContext, folder: string): void {
  mkdirSync(folder);
  t.teardown(async () => {
    await eventually(() => {
      try {
        rmdirSync(folder);
        return true;
      } catch {
        return false;
      }
    });
  });
}
