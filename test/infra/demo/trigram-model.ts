// A trigram language model: the plainest stand-in for a base model, to ask whether a corpus favours some answers.

/** Mean log-prob of a sequence's tokens in nats, with an unseen context backed off to shorter ones. */
export class TrigramModel {
  private readonly counts = new Map<string, number>()
  private readonly vocabularySize: number

  constructor(vocabularySize: number) {
    this.vocabularySize = vocabularySize
  }

  add(ids: readonly number[]): void {
    for (let position = 0; position < ids.length; position++) {
      for (let order = 0; order <= 2; order++) {
        const context = `${order}:${ids.slice(Math.max(0, position - order), position)}`
        this.increment(context)
        this.increment(`${context}>${ids[position]}`)
      }
    }
  }

  private increment(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
  }

  meanLogProb(ids: readonly number[]): number {
    let sum = 0
    for (let position = 0; position < ids.length; position++) sum += Math.log(this.probability(ids, position))
    return sum / ids.length
  }

  /** Witten-Bell-like interpolation: each order's count against one pseudo-count of the order below. */
  private probability(ids: readonly number[], position: number): number {
    let probability = 1 / this.vocabularySize
    for (let order = 0; order <= 2; order++) {
      const context = `${order}:${ids.slice(Math.max(0, position - order), position)}`
      const count = this.counts.get(`${context}>${ids[position]}`) ?? 0
      probability = (count + probability) / ((this.counts.get(context) ?? 0) + 1)
    }
    return probability
  }
}
