// The metrics of a job's folder up to its newest checkpoint. The steps before it are not trained again, and a runner that was killed may
// have taken their metrics with it before they were sent: whoever takes the job up sends them all again, which changes none that arrived.
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { RunFolder } from "#gpu-runner/data/run/run-folder.ts"

interface StepMetrics {
  readonly step: number
  readonly metrics: Readonly<Record<string, unknown>>
}

/** A line that a killed writer left half is none. */
const parse = (line: string): StepMetrics | undefined => {
  try {
    const metrics = JSON.parse(line) as Readonly<Record<string, unknown>> | null
    return typeof metrics?.step === "number" ? { step: metrics.step, metrics } : undefined
  } catch {
    return undefined
  }
}

/** In the order of their steps; none of a folder without a checkpoint. */
export const keptMetrics = (directory: string): StepMetrics[] => {
  const file = path.join(directory, "metrics.jsonl")
  if (!existsSync(file)) return []
  const { newestStep } = new RunFolder(directory)
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => parse(line) ?? [])
    .filter(({ step }) => step <= newestStep)
}
