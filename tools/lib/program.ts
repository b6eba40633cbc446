import { fileURLToPath } from 'node:url';

/** The program that users run. `make build` makes it of the same sources as this file. */
export const SLUICE = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
