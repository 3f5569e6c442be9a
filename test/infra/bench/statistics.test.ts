// What the tables of test/bench/peers are made from: medians, ratios, and whether a result is right.
import { mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { describe, expect, test } from "vitest"
import { ANCHOR } from "#test/bench/peers/llama-model.ts"
import { measureTask } from "#test/bench/peers/measure.ts"
import {
  checkModel,
  checkPairs,
  checkSamples,
  expectedAttention,
  expectedMatmul,
} from "#test/bench/peers/report/check-result.ts"
import { rangeOf, ratioOf } from "#test/bench/peers/report/statistics.ts"
import { taskTable } from "#test/bench/peers/report/table.ts"
import { SystemProcess } from "#test/bench/peers/system-process.ts"
import { attentionTask, matmulTask, roundToBf16 } from "#test/bench/peers/task-inputs.ts"
import type { MatmulTask, PairsTask } from "#test/bench/peers/tasks.ts"

function inFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-statistics-"))
  try {
    return body(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe("rounds", () => {
  test("an even number of rounds has the mean of the middle two as median", () => {
    expect(rangeOf([4, 1, 3, 2])).toEqual({ median: 2.5, least: 1, most: 4 })
    expect(rangeOf([7])).toEqual({ median: 7, least: 7, most: 7 })
    expect(() => rangeOf([])).toThrow(TypeError)
  })

  test("a ratio is taken within each round, as far as both have rounds", () => {
    expect(ratioOf([10, 40, 90], [5, 10])).toEqual({ median: 3, least: 2, most: 4 })
  })
})

describe("results", () => {
  test("bf16 rounds to nearest, ties to even", () => {
    const values = roundToBf16(Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -0.1))
    expect([...values]).toEqual([1, 1, 1 + 2 ** -6, -0.10009765625])
  })

  test("a product is right where its samples are those of f64, and wrong where one is off or they are zeros", () => {
    inFolder((folder) => {
      const task = matmulTask(folder, 8, 16, 12)
      const expected = expectedMatmul(task)
      expect(expected.values).toHaveLength(task.samples.length)
      expect(checkSamples({ samples: expected.values }, expected)).toEqual({ isRight: true, says: "0.0e+0" })
      const off = expected.values.map((value, index) => (index === 3 ? value + 0.01 * expected.scale : value))
      expect(checkSamples({ samples: off }, expected)).toEqual({ isRight: false, says: "WRONG: 1.0e-2" })
      expect(checkSamples({ samples: off }, expected, 0.02).isRight).toBe(true)
      expect(checkSamples({ samples: expected.values.map(() => 0) }, expected).isRight).toBe(false)
      expect(checkSamples({}, expected)).toEqual({ isRight: false, says: "WRONG: no result" })
    })
  })

  test("the first token of a sequence attends to itself alone, in every sequence and head", () => {
    inFolder((folder) => {
      const task = attentionTask(folder, { sequences: 2, heads: 2, length: 5, headSize: 4 })
      const first = [0, 7, 5 * 8 + 6]
      const value = expectedAttention({ ...task, samples: first, files: { ...task.files, query: task.files.value } })
      const same = expectedAttention({ ...task, samples: first })
      expect(same.values).toEqual(value.values)
    })
  })

  test("a step is wrong by its loss, or by its gradient's norm where the loss is right", () => {
    const reference = { loss: 8.5, gradientNorm: 2 }
    expect(checkModel("step", { loss: 8.5, gradientNorm: 2 }, reference).isRight).toBe(true)
    expect(checkModel("step", { loss: 1.75, gradientNorm: 2 }, reference).says).toBe("WRONG: loss 1.750, not 8.500")
    expect(checkModel("step", { loss: 8.5, gradientNorm: 3 }, reference).says).toBe(
      "WRONG: gradient norm 3.000, not 2.000",
    )
    expect(checkModel("log-probs", { loss: 8.5 }, reference).isRight).toBe(true)
    expect(checkModel("log-probs", {}, reference).isRight).toBe(false)
    expect(checkPairs({ loss: Number.NaN }).isRight).toBe(false)
  })
})

test("a table has a row for each system: rate and ratio with their ranges, or why it was not run", () => {
  const task = { kind: "matmul", name: "8×8×8", rows: 8, inner: 8, columns: 8, repeats: 1 } as MatmulTask
  const verdict = { isRight: true, says: "1.0e-7" }
  const rounds = [
    { ms: 1, cpuMs: 2 },
    { ms: 2, cpuMs: 3 },
  ]
  const measured = { firstMs: 1500, rounds, rate: { median: 150, least: 100, most: 200.4 }, verdict }
  const ratio = { median: 1.234, least: 1, most: 10 }
  const text = taskTable({
    task,
    rows: [
      { system: "ours", ...measured },
      { system: "peer", ...measured, ratio, ratioByCpu: { ...ratio, median: 2 }, note: "1 of 4 sequences" },
      { system: "other", notRun: "npm install failed" },
    ],
  })
  expect(text.split("\n").slice(0, 7)).toEqual([
    "### matmul 8×8×8",
    "",
    "| system | GFLOP/s | Yohaku is × as fast | by processor time | error | first run, s | rounds |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    "| ours | 150 (100–200) |  |  | 1.0e-7 | 1.5 | 2 |",
    "| peer (1 of 4 sequences) | 150 (100–200) | 1.23 (1.00–10.0) | 2.00 (1.00–10.0) | 1.0e-7 | 1.5 | 2 |",
    "| other | not run: npm install failed |  |  |  |  |  |",
  ])
})

test("where the first system fails, the others have rates and no ratios", async () => {
  const task: PairsTask = {
    kind: "pairs",
    name: "2 pairs",
    sizes: ANCHOR,
    tiesEmbeddings: false,
    ...{ pairs: 2, promptLength: 4, responseLength: 4, rank: 2 },
  }
  const program = `
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const isRound = JSON.parse(line).do === "round"
      console.log("@bench " + JSON.stringify(isRound ? { ms: 500, cpuMs: 250 } : { firstMs: 900, found: { loss: 0.7 } }))
    })`
  const peer = new SystemProcess({ file: process.execPath, arguments: ["-e", program] })
  const contenders = [
    { name: "ours", process: "no adapter" },
    { name: "peer", process: peer },
  ]
  const limits = { rounds: 2, systemMs: 10_000, prepareTimeoutMs: 10_000, roundTimeoutMs: 10_000 }
  const referee = () => Promise.reject(new TypeError("pairs have no referee"))
  const { rows } = await measureTask(task, contenders, referee, limits, () => undefined).finally(() => peer.end())
  expect(rows[0]).toEqual({ system: "ours", notRun: "no adapter" })
  expect(rows[1]).toMatchObject({ rate: { median: 4, least: 4, most: 4 }, verdict: { isRight: true } })
  expect(rows[1]).not.toHaveProperty("ratio")
})
