/** Numbers between 0 and 1, the same in every run: Lehmer's generator with modulus 2^31 - 1. */
export function randomNumbers(seed: number): () => number {
  const modulus = 2 ** 31 - 1;
  let state = 1 + (Math.abs(Math.trunc(seed)) % (modulus - 1));
  return () => {
    state = (state * 48271) % modulus;
    return state / modulus;
  };
}
