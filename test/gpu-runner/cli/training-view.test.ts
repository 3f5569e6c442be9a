// The terminal view as text: what it says, what fits into how many columns, and when anything is drawn at all.
import { describe, expect, test } from "vitest"
import { createTrainingDisplay } from "#gpu-runner/cli/training-display.ts"
import {
  afterEvent,
  initialView,
  noteOf,
  plainLine,
  renderView,
  type TrainingView,
} from "#gpu-runner/cli/training-view.ts"
import type { ProgressEvent } from "#gpu-runner/trainer/run/run-inputs.ts"

const stepEvent = (step: number, steps = 400): ProgressEvent => ({
  _tag: "Step",
  step,
  steps,
  metrics: {
    loss: 1.23456,
    "rewards/margins": 0.4125,
    "rewards/accuracies": 0.8438,
    grad_norm: 0.93,
    tokens_per_second: 1234.4,
    learning_rate: 1e-5,
    epoch: 0.6,
  },
})
const evaluated: ProgressEvent = {
  _tag: "Evaluated",
  step: 100,
  steps: 400,
  accuracy: 0.781,
  metrics: { eval_accuracy: 0.781, eval_loss: 1.3322 },
  isBest: true,
}

/** The view after these events, one second apart. */
const viewOf = (...events: readonly ProgressEvent[]): TrainingView =>
  events.reduce((view, event, index) => afterEvent(view, event, 1000 * index), initialView("alpha-dpo"))

const half = viewOf(stepEvent(199), evaluated, stepEvent(200))

describe("the block", () => {
  test("says how far the run is, how it goes, and what the held-out pairs say", () => {
    expect(renderView(half, 100, false)).toEqual([
      "alpha-dpo  ━━━━━━━━━━━━━━━━━━━━────────────────────  50 %  200/400 steps",
      "loss 1.2346   margin 0.412   accuracy 0.84   gradient 0.930",
      "1234 tokens/s   rate 1.00e-5   epoch 0.60   6 min 40 s left",
      "held-out at step 100   accuracy 78.1 %   loss 1.3322",
    ])
  })

  test("is never wider than the terminal, down to a single column", () => {
    for (let width = 1; width <= 130; width++) {
      for (const line of renderView(half, width, false))
        expect(line.length, `${width}: ${line}`).toBeLessThanOrEqual(width)
    }
  })

  test("gives the bar up first, then flows its fields onto more lines", () => {
    expect(renderView(half, 39, false)).toEqual([
      "alpha-dpo  50 %  200/400 steps",
      "loss 1.2346   margin 0.412",
      "accuracy 0.84   gradient 0.930",
      "1234 tokens/s   rate 1.00e-5",
      "epoch 0.60   6 min 40 s left",
      "held-out at step 100   accuracy 78.1 %",
      "loss 1.3322",
    ])
  })

  test("with colours has the same text", () => {
    const colored = renderView(half, 100, true)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for
    expect(colored.map((line) => line.replaceAll(/\u001b\[\d+m/g, ""))).toEqual(renderView(half, 100, false))
    expect(colored.join("")).toContain("\u001b[36m━")
  })

  test("fills the bar from none to all, and leaves out what a method does not have", () => {
    const start = viewOf({ ...stepEvent(1, 1000), metrics: { loss: null } } as ProgressEvent)
    expect(renderView(start, 80, false)).toEqual([`alpha-dpo  ${"─".repeat(40)}  0 %  1/1000 steps`, "loss –"])
    expect(renderView(viewOf(stepEvent(400)), 80, false)[0]).toContain(`${"━".repeat(40)}  100 %`)
  })

  test("shows the reference while it is computed", () => {
    const view = viewOf({ _tag: "Preparing", what: "reference: scored", done: 30, total: 120, unit: "rows" })
    expect(renderView(view, 75, false)[0]).toBe(
      `alpha-dpo  ${"━".repeat(6)}${"─".repeat(18)}  25 %  reference: scored 30 of 120 rows`,
    )
    expect(plainLine(view)).toBe("reference: scored 30 of 120 rows")
  })
})

test("the time left counts from the first step seen, so that a resumed run is not flattered", () => {
  const view = viewOf({ _tag: "Resumed", step: 300, damagedCheckpoints: [] }, stepEvent(301), stepEvent(302))
  expect(view.secondsLeft).toBe(98)
  expect(viewOf(stepEvent(1)).secondsLeft).toBeUndefined()
  const lost = viewOf(stepEvent(1), stepEvent(2), { _tag: "DeviceLost", losses: 1, reason: "unknown" })
  expect(lost.secondsLeft).toBeUndefined()
})

test.each<[ProgressEvent, string | undefined]>([
  [evaluated, "step 100: held-out accuracy 78.1 %, loss 1.3322 (best)"],
  [{ _tag: "Resumed", step: 0, damagedCheckpoints: [] }, "nothing to resume; starting from the beginning"],
  [
    { _tag: "Resumed", step: 7, damagedCheckpoints: ["step-8"] },
    "checkpoint step-8 is damaged; using an earlier one\nresumed after step 7",
  ],
  [{ _tag: "StoppedEarly", step: 9, bestStep: 4 }, "stopped early after step 9: the best evaluation is that of step 4"],
  [
    {
      _tag: "Memory",
      forecast: {
        linearKinds: "f32",
        tableKinds: "f32",
        base: undefined,
        referenceBytes: 0,
        trainedParameters: 1e6,
        trainedBytes: 16e6,
        step: {
          tokens: 512,
          checkpointing: true,
          keepsRowGradients: true,
          fixedBytes: 17e6,
          stepBytes: 2.5e9,
          heldBytes: 3e9,
          budgetBytes: 8e9,
        },
      },
    },
    "memory: weights 16.0 MB with gradient and moments, all trained; a step up to 2.50 GB for 512 tokens at once, a gradient for each row among it, activations computed twice; together 2.52 GB of 8.00 GB",
  ],
  [stepEvent(3), undefined],
])("what stays is a line of its own: %j", (event, expected) => {
  expect(noteOf(event)).toBe(expected)
})

describe("the display", () => {
  const display = (stream: { isTTY: boolean; columns: number }, environment: Record<string, string> = {}) => {
    const written: string[] = []
    let nowMs = 0
    const write = (text: string | Uint8Array) => written.push(String(text)) > 0
    const shown = createTrainingDisplay({ method: "dpo", stream: { ...stream, write }, environment, now: () => nowMs })
    return { ...shown, written, wait: (ms: number) => (nowMs += ms) }
  }

  test("draws its block again in place on a terminal, at most ten times a second, and the last step always", () => {
    const { show, written, wait } = display({ isTTY: true, columns: 90 }, { NO_COLOR: "1" })
    show(stepEvent(1, 3))
    show(stepEvent(2, 3))
    expect(written).toHaveLength(1)
    wait(50)
    show(stepEvent(3, 3))
    expect(written).toHaveLength(2)
    expect(written[1]!.startsWith("\u001b[3A\r\u001b[Jdpo  ━━")).toBe(true)
    expect(written[1]).toContain("━  100 %")
  })

  test("a note goes above the block, which is drawn again below it", () => {
    const { show, note, written } = display({ isTTY: true, columns: 90 }, { NO_COLOR: "1" })
    show(stepEvent(1, 3))
    note("two rows dropped")
    expect(written[1]).toBe("\u001b[3A\r\u001b[Jtwo rows dropped\n")
    expect(written[2]).toMatch(/^dpo {2}/)
  })

  test("takes its block away before somebody else writes, and draws it below what they wrote", () => {
    const { show, clear, written, wait } = display({ isTTY: true, columns: 90 }, { NO_COLOR: "1" })
    show(stepEvent(1, 3))
    clear()
    clear()
    wait(100)
    show(stepEvent(2, 3))
    expect(written).toHaveLength(3)
    expect(written[1]).toBe("\u001b[3A\r\u001b[J")
    expect(written[2]).toMatch(/^dpo {2}/)
  })

  test("has colours on a terminal unless NO_COLOR is set, and none elsewhere", () => {
    const output = (isTTY: boolean, environment: Record<string, string>) => {
      const { show, close, written } = display({ isTTY, columns: 90 }, environment)
      show(stepEvent(3, 3))
      close()
      return written.join("")
    }
    expect(output(true, {})).toContain("\u001b[36m")
    expect(output(true, { NO_COLOR: "1" })).not.toContain("m━")
    expect(output(false, {})).not.toContain("\u001b")
    expect(output(true, { TERM: "dumb" })).not.toContain("\u001b")
  })

  test("prints a plain line every five seconds where there is no terminal, and the last step", () => {
    const { show, written, wait } = display({ isTTY: false, columns: 0 })
    for (let step = 1; step <= 9; step++) {
      show(stepEvent(step, 9))
      wait(1000)
    }
    expect(written.map((line) => /^step (\d)\/9: loss 1\.2346/.exec(line)?.[1])).toEqual(["1", "6", "9"])
  })

  test("says what comes before the first step once it has taken a second, and then every five", () => {
    const { show, written, wait } = display({ isTTY: false, columns: 0 })
    const preparing = { _tag: "Preparing", total: 99, unit: "rows" } as const
    for (let done = 1; done <= 9; done++) {
      show({ ...preparing, what: "reference: scored", done })
      wait(1000)
    }
    show({ ...preparing, what: "self-test: scored", done: 98 })
    show({ ...preparing, what: "self-test: scored", done: 99 })
    expect(written).toEqual(["reference: scored 2 of 99 rows\n", "reference: scored 7 of 99 rows\n"])
  })

  test("closing leaves the block where it is, once", () => {
    const { show, close, written } = display({ isTTY: true, columns: 90 })
    show(stepEvent(3, 3))
    close()
    close()
    expect(written).toHaveLength(2)
  })
})
