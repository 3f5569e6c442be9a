// The results of `yohaku bench` as tables for people.
import type { Environment } from "#gpu-runner/bench/environment.ts"
import type { GenerateReport } from "#gpu-runner/bench/generate-bench.ts"
import type { OpResult } from "#gpu-runner/bench/op-cases.ts"
import type { PairReport } from "#gpu-runner/bench/pair-bench.ts"
import type { Spread } from "#gpu-runner/bench/rounds.ts"
import type { StepReport } from "#gpu-runner/bench/step-bench.ts"
import { byteSize, percent } from "#gpu-runner/trainer/quantities.ts"
import { describeProfile } from "#gpu-runner/trainer/step/step-profile.ts"
import { textTable } from "./text-table.ts"

export function environmentLine(environment: Environment): string {
  const { adapter, backend, lane, subgroupSizes, kernels, precision, processor, processors, node, webgpu, date } =
    environment
  const subgroups = subgroupSizes[0] === subgroupSizes[1] ? `${subgroupSizes[0]}` : subgroupSizes.join(" to ")
  return [
    `${adapter} (${lane}, ${backend}, subgroups of ${subgroups}, ${kernels} kernels, ${precision} products)`,
    `${processor}, ${processors} processors, load ${environment.load[0]}; node ${node}, webgpu ${webgpu}; ${date}`,
  ].join("\n")
}

export function opTable(results: readonly OpResult[]): string {
  const rows = results.map(({ name, ms, gflopsPerSecond, gflopsPerCpuSecond, kernels }) => [
    name,
    milliseconds(ms),
    `${gflopsPerSecond.toFixed(1)} GFLOP/s`,
    gflopsPerCpuSecond === null ? "by timestamps" : `${gflopsPerCpuSecond.toFixed(1)} a core`,
    kernels.length > 3 ? `${kernels.length} kernels` : kernels.join(", "),
  ])
  return textTable([["", "ms", "", "", "kernels"], ...rows])
}

export function stepTable(report: StepReport): string {
  const { results, memory } = report
  const head = [
    "length",
    "batch",
    "step, ms",
    "tokens/s",
    "GFLOP/s",
    "products alone, ms",
    "share of bound",
    "by CPU time",
    "cost/token",
  ]
  const rows = results.map((result) => [
    `${result.length}`,
    `${result.batch}`,
    milliseconds(result.ms),
    result.tokensPerSecond.toFixed(0),
    (result.flopsPerSecond / 1e9).toFixed(1),
    milliseconds(result.gemm.ms),
    percent(result.shareOfGemmBound),
    percent(result.shareOfGemmBoundByCpu),
    `${result.costPerToken.toFixed(2)}×`,
  ])
  const profiles = results.flatMap(({ profile }) => (profile ? ["", describeProfile(profile)] : []))
  const { tokensPerSecond, flopsPerSecond, shareOfGemmBound } = report
  const headline =
    `tokensPerSecond ${tokensPerSecond.toFixed(0)}, flopsPerSecond ${flopsPerSecond.toPrecision(3)}, ` +
    `shareOfGemmBound ${shareOfGemmBound.toFixed(3)}`
  return [headline, "", textTable([head, ...rows]), "", memoryLine(memory), ...profiles].join("\n")
}

export function pairTable({ results, ratio, ratioOfFlops, memory }: PairReport): string {
  const rows = results.map(({ name, ms, pairsPerSecond, flopsPerSecond }) => [
    name,
    milliseconds(ms),
    pairsPerSecond.toPrecision(3),
    (flopsPerSecond / 1e9).toFixed(1),
  ])
  const compared = `stock takes ${ratio.median.toFixed(2)} times as long (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)}); its FLOPs are ${ratioOfFlops.toFixed(2)} times as many`
  return [textTable([["", "step, ms", "pairs/s", "GFLOP/s"], ...rows]), "", compared, memoryLine(memory)].join("\n")
}

export function generateTable({ results, llama, memory }: GenerateReport): string {
  const rows = results.map(({ batch, promptTokensPerSecond, tokensPerSecond, weightBytesPerSecond }) => [
    `${batch}`,
    rate(promptTokensPerSecond),
    rate(tokensPerSecond),
    `${(weightBytesPerSecond.median / 1e9).toPrecision(3)} GB/s`,
  ])
  const { weightBytes, cacheBytes, passBytes } = memory
  const held = `device memory: weights ${byteSize(weightBytes)}, keys and values ${byteSize(cacheBytes)}, a pass ${byteSize(passBytes)}`
  const table = textTable([["at once", "prompt tokens/s", "tokens/s", "weights read"], ...rows])
  return [table, "", ...(llama === undefined ? [] : [llamaTable(llama), ""]), held].join("\n")
}

function llamaTable(llama: NonNullable<GenerateReport["llama"]>): string {
  if ("missing" in llama) return `llama.cpp: not compared, ${llama.missing}`
  const head = [
    "at once",
    "llama.cpp: prompt tokens/s",
    "tokens/s",
    "ours by it: prompt",
    "tokens",
    "by CPU time: prompt",
    "tokens",
  ]
  const rows = llama.results.map(({ batch, promptTokensPerSecond, tokensPerSecond, ratios }) => [
    `${batch}`,
    rate(promptTokensPerSecond),
    rate(tokensPerSecond),
    ratio(ratios.promptTokensPerSecond),
    ratio(ratios.tokensPerSecond),
    ratio(ratios.promptTokensPerCpuSecond),
    ratio(ratios.tokensPerCpuSecond),
  ])
  return textTable([head, ...rows])
}

function rate({ median, min, max }: Spread): string {
  return `${median.toPrecision(4)} (${min.toPrecision(4)} to ${max.toPrecision(4)})`
}

function ratio({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`
}

function memoryLine({ peakBytes, reservedBytes }: StepReport["memory"]): string {
  return `device memory: ${byteSize(peakBytes)} in use at most, ${byteSize(reservedBytes)} held`
}

/** "12.3 (11.9 to 14.0)" */
function milliseconds({ median, min, max }: Spread): string {
  const digits = median >= 100 ? 0 : median >= 1 ? 2 : 4
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`
}
