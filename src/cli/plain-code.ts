import { setFlagsFromString } from 'node:v8';

/**
 * For a program that does a little work once a second: V8 would compile one function after the other to faster code for
 * minutes, which takes as much of a processor as all that they do in this time.
 */
export function keepPlainCode(): void {
  setFlagsFromString('--no-turbofan');
}
