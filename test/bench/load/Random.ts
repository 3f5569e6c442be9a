// Choices from a seed: the same seed gives the same choices in the same order.
import { seedOf, uniformSource } from "#test/reference/random.ts"

export class Random {
  readonly unit: () => number

  constructor(name: string) {
    this.unit = uniformSource(seedOf(name))
  }

  below(limit: number): number {
    return Math.floor(this.unit() * limit)
  }

  chance(share: number): boolean {
    return this.unit() < share
  }

  pick<A>(values: readonly A[]): A {
    if (values.length === 0) throw new RangeError("there is nothing to pick from")
    return values[this.below(values.length)]!
  }

  /** One of the named, as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let left = this.unit() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    return entries.at(-1)![0]
  }
}
