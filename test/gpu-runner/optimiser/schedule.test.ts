// Every schedule at every step of a run of ten, peak 2e-4, against values that the formulas of transformers' optimization.py give.
import fc from "fast-check"
import { expect, test } from "vitest"
import { learningRateAt, type Schedule, type ScheduleOptions } from "#gpu-runner/optimiser/schedule.ts"

const common = { learningRate: 2e-4, stepCount: 10, warmupRatio: 0 }

/** Options, and the rates in units of 1e-4. */
const cases: readonly (readonly [Partial<ScheduleOptions> & { schedule: Schedule }, readonly number[]])[] = [
  [{ schedule: "constant" }, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]],
  [{ schedule: "constant-with-warmup", warmupSteps: 3 }, [0, 0.666666667, 1.333333333, 2, 2, 2, 2, 2, 2, 2]],
  [{ schedule: "linear", warmupSteps: 2 }, [0, 1, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25]],
  [
    { schedule: "cosine", warmupRatio: 0.15 },
    [0, 1, 2, 1.923879533, 1.707106781, 1.382683432, 1, 0.617316568, 0.292893219, 0.076120467],
  ],
  [
    { schedule: "cosine", warmupSteps: 2, scheduleCycles: 1.5 },
    [0, 1, 2, 1.382683432, 0.292893219, 0.076120467, 1, 1.923879533, 1.707106781, 0.617316568],
  ],
  [
    { schedule: "cosine-with-restarts", warmupSteps: 2, scheduleCycles: 3 },
    [0, 1, 2, 1.382683432, 0.292893219, 1.923879533, 1, 0.076120467, 1.707106781, 0.617316568],
  ],
  [
    { schedule: "polynomial", warmupSteps: 2, minLearningRate: 1e-5, schedulePower: 2 },
    [0, 1, 2, 1.5546875, 1.16875, 0.8421875, 0.575, 0.3671875, 0.21875, 0.1296875],
  ],
  [{ schedule: "polynomial" }, [2, 1.8001, 1.6002, 1.4003, 1.2004, 1.0005, 0.8006, 0.6007, 0.4008, 0.2009]],
  [
    { schedule: "inverse-sqrt", warmupSteps: 2 },
    [0, 1, 2, 1.632993162, Math.SQRT2, 1.264911064, 1.154700538, 1.069044968, 1, 0.942809042],
  ],
  [
    { schedule: "inverse-sqrt" },
    [
      2, 1.999900007, 1.99980003, 1.999700067, 1.99960012, 1.999500187, 1.99940027, 1.999300367, 1.99920048,
      1.999100607,
    ],
  ],
  [
    { schedule: "cosine-with-min-lr", warmupSteps: 2, minLearningRate: 2e-5 },
    [0, 1, 2, 1.931491579, 1.736396103, 1.444415089, 1.1, 0.755584911, 0.463603897, 0.268508421],
  ],
  [
    { schedule: "cosine-with-min-lr", warmupSteps: 1, minLearningRateRatio: 0.25 },
    [0, 2, 1.954769466, 1.824533332, 1.625, 1.380236133, 1.119763867, 0.875, 0.675466668, 0.545230534],
  ],
  [
    { schedule: "warmup-stable-decay", warmupSteps: 2, decaySteps: 4 },
    [0, 1, 2, 2, 2, 2, 2, 1.707106781, 1, 0.292893219],
  ],
  [
    {
      schedule: "warmup-stable-decay",
      warmupSteps: 3,
      decaySteps: 4,
      warmupShape: "cosine",
      decayShape: "1-sqrt",
      minLearningRateRatio: 0.1,
    },
    [0.2, 0.65, 1.55, 2, 2, 2, 2, 1.1, 0.727207794, 0.441154273],
  ],
  [
    {
      schedule: "warmup-stable-decay",
      warmupSteps: 3,
      decaySteps: 4,
      warmupShape: "1-sqrt",
      decayShape: "linear",
      minLearningRateRatio: 0.1,
    },
    [0.2, 0.530306154, 0.960769515, 2, 2, 2, 2, 1.55, 1.1, 0.65],
  ],
]

test.each(cases)("%j has transformers' rates", (options, expected) => {
  const rates = expected.map((_, step) => learningRateAt({ ...common, ...options }, step) * 1e4)
  expect(rates).toEqual(expected.map((rate) => expect.closeTo(rate, 8)))
})

test("no schedule leaves the range from 0 to the peak, and past its end the rate is the last one", () => {
  const schedules = [...new Set(cases.map(([{ schedule }]) => schedule))]
  fc.assert(
    fc.property(
      fc.constantFrom(...schedules),
      fc.integer({ min: 1, max: 500 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (schedule, stepCount, warmupRatio, at) => {
        const options: ScheduleOptions = {
          schedule,
          stepCount,
          warmupRatio,
          learningRate: 3,
          minLearningRateRatio: schedule === "polynomial" ? undefined : 0.2,
          decaySteps: Math.ceil(stepCount / 3),
        }
        const rate = learningRateAt(options, Math.floor(at * stepCount))
        expect(rate).toBeGreaterThanOrEqual(0)
        expect(rate).toBeLessThanOrEqual(3 * (1 + 1e-12))
      },
    ),
  )
  const end = (schedule: Schedule) =>
    learningRateAt({ ...common, schedule, warmupRatio: 0.2, decaySteps: 3, minLearningRateRatio: 0.5 }, 10)
  expect([end("linear"), end("cosine-with-restarts"), end("warmup-stable-decay")]).toEqual([0, 0, 1e-4])
  expect(end("polynomial")).toBeCloseTo(1e-7, 15)
})
