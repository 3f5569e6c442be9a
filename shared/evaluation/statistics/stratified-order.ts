// In which order questions are put to a judge that may be stopped early: at every moment each setting has had its share, within one question, so that
// an early answer is not of one setting alone.

/** Indices of `strata` in a random order in which every stratum is spread evenly. */
export function stratifiedOrder(strata: readonly string[], random: () => number): number[] {
  const members = Map.groupBy(strata.keys(), (index) => strata[index]!)
  const placed = [...members.values()].flatMap((indices) => {
    // The n-th of k shuffled members stands somewhere in the n-th of k equal parts of the way.
    return shuffled(indices, random).map((index, rank) => ({ index, at: (rank + random()) / indices.length }))
  })
  return placed.toSorted((a, b) => a.at - b.at).map(({ index }) => index)
}

function shuffled(values: readonly number[], random: () => number): number[] {
  const order = [...values]
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const kept = order[last]!
    order[last] = order[other]!
    order[other] = kept
  }
  return order
}
