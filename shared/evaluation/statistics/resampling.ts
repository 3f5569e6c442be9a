// Drawing again what was measured: the bootstrap's only source of chance is the function that it is given.

export interface Resampling {
  readonly rounds: number
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** What belongs together and is drawn together: a question with all that was said of it. */
export interface Cluster {
  readonly sum: number
  readonly weight: number
}

/** Means of so many rounds in which clusters are drawn, each with all of its weight. */
export function drawnMeans(clusters: readonly Cluster[], { rounds, random }: Resampling): Float64Array {
  return Float64Array.from({ length: rounds }, () => {
    let sum = 0
    let weight = 0
    drawCounts(clusters.length, random).forEach((times, cluster) => {
      sum += times * clusters[cluster]!.sum
      weight += times * clusters[cluster]!.weight
    })
    return sum / weight
  })
}

/** How often each of `count` things comes when as many are drawn with replacement, into `counts`. */
export function drawCounts(count: number, random: () => number, counts = new Uint32Array(count)): Uint32Array {
  counts.fill(0)
  for (let draw = 0; draw < count; draw++) counts[Math.floor(random() * count)]! += 1
  return counts
}
