// `yohaku bench` prints the documented object. Values of times are not looked at: only what must hold of any.
import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { LLAMA_CPP_MISSING, openNativeLlama } from "#gpu-runner/bench/llama-cpp.ts"
import { runYohaku, runYohakuJson } from "#test/gpu-runner/support/run-yohaku.ts"

const tinyModel = ["--hidden", "32", "--layers", "2", "--heads", "4", "--ff", "48", "--vocabulary", "64", "--rank", "4"]

function expectSpread({ median, min, max }: { median: number; min: number; max: number }) {
  expect(min).toBeGreaterThan(0)
  expect(median).toBeGreaterThanOrEqual(min)
  expect(max).toBeGreaterThanOrEqual(median)
}

const documented = new Set(
  [...readFileSync("docs/performance.md", "utf8").matchAll(/`([^`\n]+)`/g)].flatMap(([, code]) => code!.match(/\w+/g)!),
)

/** Every name of a key, however deep; settings are options and named as such. */
function keysOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return []
  if (Array.isArray(value)) return value.flatMap(keysOf)
  return Object.entries(value).flatMap(([key, part]) => [key, ...(key === "sizes" ? [] : keysOf(part))])
}

/** `yohaku bench` with these arguments; its object has no key that docs/performance.md does not name. */
async function bench(...argv: readonly string[]) {
  const { code, told, result } = await runYohakuJson("bench", ...argv, "--software")
  expect(told).toBe("")
  expect(code).toBe(0)
  const { settings: _, ...rest } = result
  expect(keysOf(rest).filter((key) => !documented.has(key))).toEqual([])
  return result
}

describe("the JSON of yohaku bench", () => {
  test("matmul: a result for each size, layout and kind, with the kernels that ran, and the environment", async () => {
    const sizes = ["--sizes", "64x64x64,32x64x96", "--products", "nn,tn", "--weights", "f32,nf4"]
    const { bench: name, environment, settings, results } = await bench("matmul", ...sizes, "--rounds", "1")
    expect(name).toBe("matmul")
    expect(Object.keys(environment).sort()).toEqual(
      [
        "adapter",
        "architecture",
        "backend",
        "commit",
        "date",
        "features",
        "kernels",
        "matrixUnits",
        "memoryBytes",
        "precision",
        "tunedClasses",
        "lane",
        "load",
        "memoryGib",
        "node",
      ]
        .concat(["os", "processor", "processors", "subgroupSizes", "vendor", "webgpu", "yohaku"])
        .sort(),
    )
    expect(environment.date).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(settings).toMatchObject({ rounds: 1, weights: ["f32", "nf4"], products: ["nn", "tn"] })
    expect(results.map(({ name }: { name: string }) => name)).toEqual([
      "64x64x64 nn f32",
      "64x64x64 nn nf4",
      "64x64x64 tn f32",
      "64x64x64 tn nf4",
      "32x64x96 nn f32",
      "32x64x96 nn nf4",
      "32x64x96 tn f32",
      "32x64x96 tn nf4",
    ])
    for (const { sizes, flops, kernels, ms, gflopsPerSecond } of results) {
      expect(flops).toBe(2 * sizes.rows * sizes.columns * sizes.depth)
      expect(kernels.some((kernel: string) => kernel.startsWith("matmul"))).toBe(true)
      expectSpread(ms)
      expect(gflopsPerSecond).toBeCloseTo(flops / ms.median / 1e6, 6)
    }
  })

  test("matmul --kernels portable runs the reference kernels", async () => {
    const { environment, results } = await bench(
      "matmul",
      "--sizes",
      "64x64x64",
      "--kernels",
      "portable",
      "--rounds",
      "1",
    )
    expect(environment.kernels).toBe("portable")
    expect(results[0].kernels).toEqual(["matmul_naive"])
  })

  test("attention: forward and backward, by the FLOPs of visible pairs", async () => {
    const sizes = ["--pairs", "2", "--prompt", "8", "--response", "4", "--heads", "2", "--head-size", "8"]
    const { results } = await bench("attention", ...sizes, "--rounds", "1")
    // A pair: 36 in the prompt, 4 · 8 + 10 a response; 4 FLOPs a channel of 16.
    const forward = 4 * 16 * 2 * (36 + 2 * 42)
    expect(results.map(({ name, flops }: { name: string; flops: number }) => [name, flops])).toEqual([
      ["forward", forward],
      ["backward", 2.5 * forward],
    ])
    for (const { ms } of results) expectSpread(ms)
  })

  test("head: with and without the gradient, for each kind of weight", async () => {
    const sizes = ["--rows", "64", "--channels", "32", "--vocabulary", "100", "--weights", "bf16,int8"]
    const { results } = await bench("head", ...sizes, "--rounds", "1")
    expect(results.map(({ name, flops }: { name: string; flops: number }) => [name, flops])).toEqual([
      ["log-probs bf16", 409_600],
      ["log-probs and gradient bf16", 819_200],
      ["log-probs int8", 409_600],
      ["log-probs and gradient int8", 819_200],
    ])
  })

  test("step: one result a length, its products timed beside it, and a profile whose rows sum to its total", async () => {
    const lengths = ["--length", "16,32", "--batch", "2", "--profile", "--rounds", "1"]
    const { settings, results, memory } = await bench("step", ...tinyModel, ...lengths)
    expect(settings).toMatchObject({ trains: "adapter", rank: 4, baseWeights: "stored", layout: "anchor" })
    expect(results.map(({ length, batch, tokens }: Record<string, number>) => [length, batch, tokens])).toEqual([
      [16, 2, 32],
      [32, 2, 64],
    ])
    for (const { ms, gemm, tokens, tokensPerSecond, flops, flopsPerSecond, shareOfGemmBound, profile } of results) {
      expectSpread(ms)
      expectSpread(gemm.ms)
      // Seven linears with three products each in two layers, and the head.
      expect(gemm.dispatches).toBeGreaterThan(2 * 7)
      expect(tokensPerSecond).toBeCloseTo((1000 * tokens) / ms.median, 6)
      expect(flops.total).toBe(flops.body + flops.adapter + flops.attention + flops.head)
      expect(flopsPerSecond).toBeCloseTo((1000 * flops.total) / ms.median, 3)
      expect(shareOfGemmBound).toBeCloseTo(gemm.ms.median / ms.median, 9)
      const sum = (rows: readonly { ms: number }[]) => rows.reduce((total, row) => total + row.ms, 0)
      expect(sum(profile.phases)).toBeCloseTo(profile.busyMs, 9)
      expect(sum(profile.kernels)).toBeCloseTo(profile.busyMs, 9)
      expect(profile.spanMs).toBeGreaterThanOrEqual(profile.busyMs)
      const phases = profile.phases.map(({ phase }: { phase: string }) => phase).sort()
      expect(phases).toEqual(["attention", "backward", "forward", "head", "optimiser"])
    }
    expect(results[0].costPerToken).toBe(1)
    expect(memory.reservedBytes).toBeGreaterThanOrEqual(memory.peakBytes)
  })

  test("step --full trains all weights, --forward none", async () => {
    const size = [...tinyModel.slice(0, -2), "--length", "16", "--batch", "1", "--rounds", "1"]
    const full = await bench("step", ...size, "--full")
    const forward = await bench("step", ...size, "--forward", "--base-weights", "int8")
    expect([full.settings.trains, forward.settings.trains]).toEqual(["weights", "nothing"])
    const [fullWork, forwardWork] = [full.results[0].flops, forward.results[0].flops]
    expect(fullWork.body).toBe(3 * forwardWork.body)
    expect(full.results[0].gemm.dispatches).toBeGreaterThan(2 * forward.results[0].gemm.dispatches)
  })

  test("pair: both ways in turn, and their ratio", async () => {
    const lengths = ["--batch", "2", "--prompt", "12", "--response", "6", "--rounds", "2"]
    const { results, ratio, ratioOfFlops } = await bench("pair", ...tinyModel, ...lengths)
    expect(results.map(({ name }: { name: string }) => name)).toEqual(["own", "stock"])
    for (const { ms, pairsPerSecond } of results) expect(pairsPerSecond).toBeCloseTo(2000 / ms.median, 6)
    expectSpread(ratio)
    expect(ratioOfFlops).toBeCloseTo(results[1].flops.total / results[0].flops.total, 9)
    expect(ratioOfFlops).toBeGreaterThan(2)
  })
})

test("generate: rates of reading and saying, for each batch in the order it was given", async () => {
  const sizes = ["--batches", "3,1", "--prompt", "10", "--response", "4", "--rounds", "2"]
  const { results, memory } = await bench("generate", ...tinyModel, ...sizes)
  expect(results.map(({ batch }: { batch: number }) => batch)).toEqual([3, 1])
  for (const { promptTokensPerSecond, tokensPerSecond, weightBytesPerSecond } of results) {
    for (const rate of [promptTokensPerSecond, tokensPerSecond, weightBytesPerSecond]) expectSpread(rate)
  }
  // Of two layers: keys and values of 8 channels for each of 2 heads, or as many as the layout has, in pages of 32 positions.
  expect(memory.cacheBytes).toBeGreaterThanOrEqual(3 * 2 * 2 * 32 * 4 * 8)
})

const llama = await openNativeLlama(1)
await llama?.dispose()

test(
  llama
    ? "generate beside llama.cpp: its rates, and ours by its, for each batch"
    : `generate beside llama.cpp, which is missing, says so: ${LLAMA_CPP_MISSING}`,
  async () => {
    const sizes = ["--vocabulary", "320", "--batches", "2,1", "--prompt", "8", "--response", "3", "--rounds", "1"]
    const report = await bench("generate", ...tinyModel.slice(0, -4), ...sizes, "--llama-cpp")
    if (!llama) {
      expect(report.llama).toEqual({ missing: LLAMA_CPP_MISSING })
      return
    }
    expect(report.llama.results.map(({ batch }: { batch: number }) => batch)).toEqual([2, 1])
    for (const [index, { ratios, ...theirs }] of report.llama.results.entries()) {
      for (const name of ["promptTokensPerSecond", "tokensPerSecond", "tokensPerCpuSecond"]) {
        expectSpread(theirs[name])
        expect(ratios[name].median).toBeCloseTo(report.results[index][name].median / theirs[name].median, 9)
      }
    }
  },
)

test("for people it prints a table below the environment", async () => {
  const { code, printed } = await runYohaku(
    "bench",
    "matmul",
    "--sizes",
    "64x64x64",
    "--weights",
    "f32",
    "--rounds",
    "1",
  )
  expect(code).toBe(0)
  expect(printed).toMatch(/^64x64x64 nt f32 +[\d.]+ \([\d.]+ to [\d.]+\) +[\d.]+ GFLOP\/s/m)
})
