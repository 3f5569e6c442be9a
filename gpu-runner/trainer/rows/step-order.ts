// Which rows each optimiser step sees. A pure function of the seed and the step's number, so that a resumed run needs no state of it.
import { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"

export interface StepOrder {
  readonly stepsPerEpoch: number
  readonly stepCount: number
  /** Row numbers of a step, counted from 0. */
  readonly rowsOf: (step: number) => Uint32Array
  /** Epochs done after a step, fractional. */
  readonly epochAfter: (step: number) => number
}

export interface StepOrderOptions {
  readonly rowCount: number
  /** Rows a step; the last step of an epoch may have fewer. */
  readonly batch: number
  readonly epochs: number
  /** Steps of the run, in place of epochs, as transformers' max_steps: data is passed over as often as needed. 0 = off. */
  readonly maxSteps: number
  readonly shuffle: boolean
  readonly seed: number
}

/** A run's steps in their order. */
export function stepOrder({ rowCount, batch, epochs, maxSteps, shuffle, seed }: StepOrderOptions): StepOrder {
  const stepsPerEpoch = Math.ceil(rowCount / batch)
  let cached: { epoch: number; order: Uint32Array } | undefined
  const orderOf = (epoch: number) => {
    if (cached?.epoch !== epoch) {
      const order = shuffle
        ? new SeededRandom(seed, `order of epoch ${epoch}`).permutation(rowCount)
        : Uint32Array.from({ length: rowCount }, (_, index) => index)
      cached = { epoch, order }
    }
    return cached.order
  }
  return {
    stepsPerEpoch,
    stepCount: maxSteps > 0 ? maxSteps : stepsPerEpoch * epochs,
    rowsOf: (step) => {
      const first = (step % stepsPerEpoch) * batch
      return orderOf(Math.floor(step / stepsPerEpoch)).subarray(first, first + batch)
    },
    epochAfter: (step) => {
      const whole = Math.floor(step / stepsPerEpoch)
      return whole + Math.min(rowCount, ((step % stepsPerEpoch) + 1) * batch) / rowCount
    },
  }
}

/** Rows of the smallest and largest step that a run of this order takes. */
export function stepSizes(order: StepOrder): readonly number[] {
  const steps = [0, Math.min(order.stepsPerEpoch, order.stepCount) - 1]
  return [...new Set(steps.map((step) => order.rowsOf(step).length))]
}
