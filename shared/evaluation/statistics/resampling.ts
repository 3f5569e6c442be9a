// Drawing again what was measured: the bootstrap's only source of chance is the function that it is given.

export interface Resampling {
  readonly rounds: number
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** How often each of `count` things comes when as many are drawn with replacement, into `counts`. */
export function drawCounts(count: number, random: () => number, counts = new Uint32Array(count)): Uint32Array {
  counts.fill(0)
  for (let draw = 0; draw < count; draw++) counts[Math.floor(random() * count)]! += 1
  return counts
}
