// Which rows each optimiser step sees. A pure function of the seed and the step's number, so that a resumed run needs no state of it.
import { SeededRandom } from "#gpu-runner/data/seeded-random.ts"

export interface Plan {
  readonly stepsPerEpoch: number
  readonly stepCount: number
  /** Row numbers of a step, counted from 0. */
  readonly rowsOf: (step: number) => Uint32Array
  /** Epochs done after a step, fractional. */
  readonly epochAfter: (step: number) => number
}

export interface PlanOptions {
  readonly rowCount: number
  /** Rows a step; the last step of an epoch may have fewer. */
  readonly batch: number
  readonly epochs: number
  /** Steps of the run, in place of epochs, as transformers' max_steps: data is passed over as often as needed. 0 = off. */
  readonly maxSteps: number
  readonly shuffle: boolean
  readonly seed: number
}

/** The schedule of work of a run. */
export function planSteps({ rowCount, batch, epochs, maxSteps, shuffle, seed }: PlanOptions): Plan {
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

/** Rows of the smallest and largest step that a run of this plan takes. */
export function stepSizes(plan: Plan): readonly number[] {
  const steps = [0, Math.min(plan.stepsPerEpoch, plan.stepCount) - 1]
  return [...new Set(steps.map((step) => plan.rowsOf(step).length))]
}
