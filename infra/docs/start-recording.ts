// The figures of a recording of what `npm start -- --once` prints. A line that is not there is an error that names it.

export interface Accuracy {
  readonly percent: number
  /** Least and most of the 95 % interval, in percent; the base model is printed without one. */
  readonly interval?: readonly [number, number]
}

export interface StartFigures {
  readonly events: number
  readonly pairs: number
  readonly trainPairs: number
  readonly heldOutPairs: number
  readonly rejected: number
  readonly referenceResponses: number
  readonly accuracy: {
    readonly base: Accuracy
    readonly dpo: Accuracy
    readonly simpo: Accuracy
    readonly alphaDpo: Accuracy
  }
  /** `name@version` of the adapter that was promoted. */
  readonly promoted: string
}

export function startFigures(recording: string): StartFigures {
  const found = (what: string, pattern: RegExp): string[] => {
    const match = pattern.exec(recording)
    if (match === null) throw new Error(`the recording does not say ${what}`)
    return match.slice(1)
  }
  const numbers = (what: string, pattern: RegExp): number[] => found(what, pattern).map(Number)
  const accuracy = (name: string): Accuracy => {
    const pattern = new RegExp(`^ +${name} +([\\d.]+) %(?: \\(95 % interval ([\\d.]+) % to ([\\d.]+) %\\))?$`, "m")
    const [percent, low, high] = found(`the accuracy of ${name}`, pattern)
    return { percent: Number(percent), ...(low !== undefined && { interval: [Number(low), Number(high)] }) }
  }
  const [events] = numbers("how many events were delivered", /delivering (\d+) labelling events/)
  const [pairs, trainPairs, heldOutPairs, rejected] = numbers(
    "how many pairs there are",
    /Pairs +(\d+) accepted \((\d+) to train, (\d+) held out\), (\d+) deliveries rejected/,
  )
  const [computed] = numbers("what the reference computed", /Reference +(\d+) responses computed/)
  const [promoted] = found("what was promoted", /Promoted +(\S+@\d+) /)
  return {
    events: events!,
    pairs: pairs!,
    trainPairs: trainPairs!,
    heldOutPairs: heldOutPairs!,
    rejected: rejected!,
    referenceResponses: computed!,
    accuracy: { base: accuracy("base"), dpo: accuracy("DPO"), simpo: accuracy("SimPO"), alphaDpo: accuracy("α-DPO") },
    promoted: promoted!,
  }
}
