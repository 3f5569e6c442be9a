// `yohaku sweep`: the same data under several methods, seeds and amounts of label noise, as one table.
import path from "node:path"
import { writeFileAtomically } from "#gpu-runner/data/files.ts"
import { duration, percent } from "#gpu-runner/trainer/quantities.ts"
import { readSweep, runSweep, type SweepRun } from "#gpu-runner/trainer/sweep/sweep.ts"
import { type SweepAxes, type SweepBase, sweepCells } from "#gpu-runner/trainer/sweep/sweep-cells.ts"
import {
  type CellResult,
  groupResults,
  methodDifferences,
  sweepMarkdown,
} from "#gpu-runner/trainer/sweep/sweep-table.ts"
import { TrainConfigInput } from "#shared/domain/TrainConfig.ts"
import { preferenceMethods } from "#shared/methods/methods.ts"
import { defineCommand, type Terminal, UsageError } from "../command.ts"
import { readConfigFile } from "../config-file.ts"
import { describeDropped } from "../dropped-rows.ts"
import { interruptible } from "../interruptible.ts"
import { modelOption, outFolderOption, requiredText, text } from "../options.ts"
import { checkOutFolder } from "../out-folder.ts"
import { createProgress } from "../progress.ts"
import { readingOf, readingOptions } from "../reading-options.ts"
import { withReopenedDevice } from "../with-device.ts"

/** The paper's method and its two baselines: the first of the registry. */
const DEFAULT_METHODS = preferenceMethods.slice(0, 3).join(",")

export const command = defineCommand({
  name: "sweep",
  summary: "Compares methods over seeds and label noise on one data set, as a table of means and intervals.",
  details:
    "Every combination is a run folder in OUT/cells. A sweep that was stopped goes on where it was when it is started again; finished\n" +
    "cells are kept. OUT gets sweep.md and sweep.json. Label noise exchanges chosen and rejected of a seeded share of the training\n" +
    'pairs, never of the held-out ones. --config takes the keys of `yohaku train`, and under "methods" keys for one method:\n' +
    '{"epochs": 2, "methods": {"dpo": {"beta": 0.1}}}.',
  options: {
    model: modelOption,
    data: requiredText("FILE", "pairs to train on"),
    "held-out": requiredText("FILE", "pairs to judge by"),
    out: outFolderOption,
    ...readingOptions,
    config: text("FILE", "training options of every cell, as a JSON object"),
    methods: text("LIST", `methods, by commas (${DEFAULT_METHODS})`),
    seeds: text("N|LIST", "seeds 1 to N, or a list (5)"),
    noise: text("LIST", "shares of exchanged training labels (0)"),
    vary: text("KEY=LIST", "a further key with its values; more keys after a semicolon"),
  },
  configKeys: Object.keys(TrainConfigInput.fields),
  run: async (values, terminal) => {
    const axes = axesOf(values)
    const cells = sweepCells(axes, baseOf(values.config))
    checkOutFolder(values.out)
    const progress = createProgress()
    await interruptible(
      () => progress.note("stopping after this step; press Ctrl-C again to stop at once"),
      async (signal) => {
        const show = showCells(progress, cells.length)
        const run: SweepRun = {
          modelDir: values.model,
          dataFile: values.data,
          heldOutFile: values["held-out"],
          outDir: values.out,
          cells,
          reading: readingOf(values),
          onDropped: (file, rows, unread) => progress.note(describeDropped(file, rows, unread)),
          signal,
          ...show,
        }
        const data = await readSweep(run)
        const results = await withReopenedDevice((device) => runSweep(device, run, data), progress.clear)
        finish(values.out, axes, results, data.heldOut.length, terminal)
      },
    )
  },
})

function finish(out: string, axes: SweepAxes, cells: readonly CellResult[], heldOut: number, terminal: Terminal) {
  const markdown = sweepMarkdown(cells, heldOut)
  const result = { axes, heldOut, groups: groupResults(cells), differences: methodDifferences(cells), cells }
  writeFileAtomically(path.join(out, "sweep.md"), markdown)
  writeFileAtomically(path.join(out, "sweep.json"), `${JSON.stringify(result, null, 2)}\n`)
  terminal.answer(result, () => markdown.trimEnd())
}

interface Written {
  readonly methods: string | undefined
  readonly seeds: string | undefined
  readonly noise: string | undefined
  readonly vary: string | undefined
}

function axesOf({ methods = DEFAULT_METHODS, seeds = "5", noise = "0", vary = "" }: Written): SweepAxes {
  const varied = vary.split(";").filter((part) => part.trim() !== "")
  return {
    methods: list("methods", methods),
    seeds: seedList(seeds),
    noise: list("noise", noise).map((text) =>
      number("noise", text, (share) => share >= 0 && share <= 1, "from 0 to 1"),
    ),
    vary: Object.fromEntries(varied.map(variedKey)),
  }
}

/** A single number is how many, several are which. */
function seedList(text: string): number[] {
  const isSeed = (seed: number) => Number.isSafeInteger(seed) && seed >= 0
  const seeds = list("seeds", text).map((part) => number("seeds", part, isSeed, "of whole numbers"))
  if (seeds.length > 1) return seeds
  if (seeds[0] === 0) throw new UsageError("--seeds 0: give at least one")
  return Array.from({ length: seeds[0]! }, (_, index) => index + 1)
}

function list(option: string, text: string): string[] {
  const parts = text.split(",").map((part) => part.trim())
  if (parts.includes("")) throw new UsageError(`--${option} ${text} has an empty entry; separate values by commas`)
  if (new Set(parts).size < parts.length) throw new UsageError(`--${option} ${text} names a value twice`)
  return parts
}

function number(option: string, text: string, isAllowed: (value: number) => boolean, range: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && isAllowed(value)) return value
  throw new UsageError(`--${option} ${text}: give values ${range}`)
}

/** `key=v1,v2`: values are numbers, true, false or words. */
function variedKey(part: string): [string, unknown[]] {
  const [key = "", values, ...rest] = part.split("=").map((side) => side.trim())
  if (key === "" || values === undefined || rest.length > 0) {
    throw new UsageError(`--vary ${part}: write KEY=VALUE,VALUE`)
  }
  if (key === "method" || key === "seed") throw new UsageError(`--vary ${key}: use --${key}s`)
  return [key, list("vary", values).map(literal)]
}

function literal(text: string): unknown {
  if (text === "true" || text === "false") return text === "true"
  return Number.isFinite(Number(text)) ? Number(text) : text
}

function baseOf(file: string | undefined): SweepBase {
  const { methods = {}, ...config } = file === undefined ? {} : readConfigFile(file)
  const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value)
  if (!isObject(methods) || !Object.values(methods as object).every(isObject)) {
    throw new UsageError(`${file}: "methods" must be an object of objects, like {"dpo": {"beta": 0.1}}`)
  }
  return { config, methods: methods as SweepBase["methods"] }
}

/** A line a cell, and while one runs its step. The time left counts the cells that ran here. */
function showCells(
  progress: ReturnType<typeof createProgress>,
  total: number,
): Pick<SweepRun, "onProgress" | "onCell"> {
  let done = 0
  let ran = 0
  const startedMs = performance.now()
  return {
    onProgress: ({ name }, event) => {
      if (event._tag === "Step") {
        progress.show(
          `cell ${done + 1}/${total} ${name}: step ${event.step}/${event.steps}, loss ${Number(event.metrics.loss).toFixed(4)}`,
        )
      } else if (event._tag === "Warned") progress.note(`${name}: ${event.message}`)
      else if (event._tag === "DeviceLost") progress.note(`${name}: the GPU device was lost; going on on a new one`)
    },
    onCell: ({ name, accuracy, durationSeconds }, wasThere) => {
      done += 1
      ran += wasThere ? 0 : 1
      const secondsLeft = ((performance.now() - startedMs) / 1000 / Math.max(1, ran)) * (total - done)
      const left = done < total && ran > 0 ? `, ${duration(secondsLeft)} left` : ""
      const how = wasThere ? "was there" : duration(durationSeconds)
      progress.note(`cell ${done}/${total} ${name}: held-out accuracy ${percent(accuracy)}, ${how}${left}`)
    },
  }
}
