// A run's output folder (created by the first thing written): metrics line by line, checkpoints named by step and digest (the newest
// and the best are kept), and whole files.
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import { readWholeFile, sha256, syncFolder, writeFileAtomically } from "../files.ts"
import { makeFolder } from "../make-folder.ts"
import { BlockFile, isEmptyBlockFile } from "./block-file.ts"
import { EventFile } from "./event-file.ts"

const SCORES = ".scores"
/** In `checkpoints`: says that the run ended by itself, so that its scores are no interrupted run. */
const ENDED = "ended"
const CHECKPOINT_NAME = /^step-(\d{8})\.([0-9a-f]{16})\.safetensors$/

interface CheckpointFile {
  readonly name: string
  readonly step: number
  readonly digest: string
}

export interface KeptCheckpoints {
  /** At least 1. */
  readonly count: number
  readonly always: readonly number[]
}

export class RunFolder {
  readonly directory: string
  /** For TensorBoard, in `tensorboard/`. */
  readonly events: EventFile
  readonly #metricsFile: string
  readonly #checkpoints: string

  constructor(directory: string) {
    this.directory = directory
    this.#metricsFile = path.join(directory, "metrics.jsonl")
    this.#checkpoints = path.join(directory, "checkpoints")
    this.events = new EventFile(path.join(directory, "tensorboard"))
  }

  /** Checkpoints or scores without a report: the run was interrupted, and another would lose what it can go on from. */
  get isUnfinished(): boolean {
    if (existsSync(path.join(this.directory, "report.json")) || !existsSync(this.#checkpoints)) return false
    const hasScores = (name: string) => name.endsWith(SCORES) && !isEmptyBlockFile(path.join(this.#checkpoints, name))
    if (this.#checkpointFiles().length > 0) return true
    const names = readdirSync(this.#checkpoints)
    return names.some(hasScores) && !names.includes(ENDED)
  }

  /** Notes whether the run that is in the folder ended by an error of its own, as against one that was interrupted. */
  noteEnded(hasEnded: boolean): void {
    const file = path.join(this.#checkpoints, ENDED)
    if (!hasEnded) rmSync(file, { force: true })
    else if (existsSync(this.#checkpoints)) writeFileAtomically(file, "")
  }

  /** Removes what an earlier run left, so that nothing of it is taken for this one's. */
  clear(): void {
    for (const name of writtenFiles(this.readJson("report.json"))) this.remove(name)
    for (const name of ["metrics.jsonl", "report.json", "config.resolved.json", "profile.json"]) {
      rmSync(path.join(this.directory, name), { force: true })
    }
    rmSync(this.#checkpoints, { recursive: true, force: true })
    this.events.clear()
  }

  /** Writes a file of the run atomically. */
  write(name: string, content: Uint8Array | string): void {
    writeFileAtomically(path.join(this.directory, name), content)
  }

  writeJson(name: string, value: unknown): void {
    this.write(name, `${JSON.stringify(value, null, 2)}\n`)
  }

  /** A JSON file of the run; undefined if it is not there or no JSON. */
  readJson(name: string): unknown {
    const file = path.join(this.directory, name)
    if (!existsSync(file)) return undefined
    try {
      return JSON.parse(readFileSync(file, "utf8"))
    } catch {
      return undefined
    }
  }

  /** Removes a file of the run if it is there. */
  remove(name: string): void {
    rmSync(path.join(this.directory, name), { force: true })
  }

  /** Adds one step to metrics.jsonl and to the events. */
  appendMetrics(step: number, metrics: Readonly<Record<string, unknown>>): void {
    makeFolder(this.directory)
    appendFileSync(this.#metricsFile, `${JSON.stringify(metrics)}\n`)
    this.events.append(step, metrics)
  }

  /** Keeps the metrics up to a step: what an interrupted run wrote after its last checkpoint is written again. */
  truncateMetrics(lastStep: number): void {
    if (lastStep === 0) this.events.clear()
    else this.events.truncate(lastStep)
    if (!existsSync(this.#metricsFile)) return
    const kept = readFileSync(this.#metricsFile, "utf8")
      .split("\n")
      .filter((line) => (stepOf(line) ?? lastStep + 1) <= lastStep)
    writeFileAtomically(this.#metricsFile, kept.map((line) => `${line}\n`).join(""))
  }

  /** Stores a checkpoint durably, then removes all but the newest `count` and those of the steps in `always`. */
  writeCheckpoint(step: number, bytes: Uint8Array, keep: KeptCheckpoints): void {
    const name = `step-${String(step).padStart(8, "0")}.${sha256(bytes).slice(0, 16)}.safetensors`
    writeFileAtomically(path.join(this.#checkpoints, name), bytes)
    for (const old of this.#checkpointFiles().slice(0, -keep.count)) {
      if (!keep.always.includes(old.step)) rmSync(path.join(this.#checkpoints, old.name))
    }
    syncFolder(this.#checkpoints)
  }

  /** The newest checkpoint whose bytes are what its name says; damaged ones are passed over and named. */
  latestCheckpoint(): {
    readonly checkpoint: { step: number; bytes: Uint8Array } | undefined
    readonly damaged: string[]
  } {
    const damaged: string[] = []
    for (const { name, step, digest } of this.#checkpointFiles().reverse()) {
      const bytes = readWholeFile(path.join(this.#checkpoints, name))
      if (sha256(bytes).startsWith(digest)) return { checkpoint: { step, bytes }, damaged }
      damaged.push(name)
    }
    return { checkpoint: undefined, damaged }
  }

  /** Scores, kept block by block beside the checkpoints. `owner` is the SHA-256 of all that they depend on. */
  scores(name: string, owner: string): BlockFile {
    return new BlockFile(path.join(this.#checkpoints, `${name}${SCORES}`), owner)
  }

  /** Removes what a killed writer left of a checkpoint. Nothing else may be writing into the folder. */
  removeHalfWritten(): void {
    if (!existsSync(this.#checkpoints)) return
    for (const name of readdirSync(this.#checkpoints)) {
      if (name.endsWith(".temporary")) rmSync(path.join(this.#checkpoints, name))
    }
  }

  /** The newest checkpoint's step without reading it; 0 if there is none. */
  get newestStep(): number {
    return this.#checkpointFiles().at(-1)?.step ?? 0
  }

  /** The checkpoint of one step, if it is there and whole. */
  checkpointAt(step: number): Uint8Array | undefined {
    for (const file of this.#checkpointFiles()) {
      if (file.step !== step) continue
      const bytes = readWholeFile(path.join(this.#checkpoints, file.name))
      if (sha256(bytes).startsWith(file.digest)) return bytes
    }
    return undefined
  }

  #checkpointFiles(): CheckpointFile[] {
    if (!existsSync(this.#checkpoints)) return []
    return readdirSync(this.#checkpoints)
      .flatMap((name) => {
        const match = CHECKPOINT_NAME.exec(name)
        return match ? [{ name, step: Number(match[1]), digest: match[2]! }] : []
      })
      .sort((a, b) => a.step - b.step)
  }
}

/** The artefacts that a report names. */
function writtenFiles(report: unknown): string[] {
  const { files } = (report ?? {}) as { readonly files?: unknown }
  return Object.keys(files ?? {}).filter((name) => name === path.basename(name))
}

function stepOf(line: string): number | undefined {
  try {
    const { step } = JSON.parse(line) as { step?: unknown }
    return typeof step === "number" ? step : undefined
  } catch {
    return undefined
  }
}
