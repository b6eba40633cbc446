/** Windows that are tried: one by one up to 16, then each about an eighth larger than the one before. */
const LADDER: number[] = [];
for (let depth = 1; depth < 16; depth++) LADDER.push(depth);
for (let base = 16; base < 4096; base *= 2) {
  for (let eighth = 8; eighth < 16; eighth++) LADDER.push((base * eighth) / 8);
}

/** The windows up to `max`, which is the last. */
export function depthLadder(max: number): number[] {
  const ladder = LADDER.filter((depth) => depth < max);
  ladder.push(max);
  return ladder;
}
