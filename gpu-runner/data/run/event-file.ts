// A run's TensorBoard file: one event of scalars per step, in a file that a resumed run goes on with.
import { appendFileSync, existsSync, readdirSync, rmSync, truncateSync } from "node:fs"
import path from "node:path"
import { readWholeFile } from "../files.ts"
import { makeFolder } from "../make-folder.ts"
import { bytesUpToStep, frameRecord, scalarEvent, versionEvent } from "./event-records.ts"

const FILE_NAME = /^events\.out\.tfevents\./

export class EventFile {
  readonly #folder: string
  #file: string | undefined

  /** `folder` is created with the first event. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Removes all events. */
  clear(): void {
    this.#file = undefined
    if (!existsSync(this.#folder)) return
    for (const name of readdirSync(this.#folder)) {
      if (FILE_NAME.test(name)) rmSync(path.join(this.#folder, name))
    }
  }

  /** Keeps the events up to a step; half an event at the end goes too. */
  truncate(lastStep: number): void {
    const file = this.#existing()
    if (file === undefined) return
    truncateSync(file, bytesUpToStep(readWholeFile(file), lastStep))
    this.#file = file
  }

  /** Adds a step's metrics: what is no finite number, and what counts the data, is left out. */
  append(step: number, metrics: Readonly<Record<string, unknown>>): void {
    const scalars = scalarsOf(metrics)
    if (Object.keys(scalars).length === 0) return
    const seconds = Date.now() / 1000
    appendFileSync(this.#opened(seconds), frameRecord(scalarEvent(seconds, step, scalars)))
  }

  #existing(): string | undefined {
    if (!existsSync(this.#folder)) return undefined
    const name = readdirSync(this.#folder).find((entry) => FILE_NAME.test(entry))
    return name === undefined ? undefined : path.join(this.#folder, name)
  }

  #opened(seconds: number): string {
    this.#file ??= this.#existing()
    if (this.#file === undefined) {
      makeFolder(this.#folder)
      const started = String(Math.floor(seconds)).padStart(10, "0")
      this.#file = path.join(this.#folder, `events.out.tfevents.${started}.yohaku`)
      appendFileSync(this.#file, frameRecord(versionEvent(seconds)))
    }
    return this.#file
  }
}

/** Tags as transformers' TensorBoardCallback names them: `eval_x` becomes `eval/x`, everything else `train/x`. */
function scalarsOf(metrics: Readonly<Record<string, unknown>>): Record<string, number> {
  const scalars: Record<string, number> = {}
  for (const [name, value] of Object.entries(metrics)) {
    if (typeof value !== "number" || !Number.isFinite(value) || name === "step" || name.startsWith("pairs/")) continue
    scalars[name.startsWith("eval_") ? `eval/${name.slice("eval_".length)}` : `train/${name}`] = value
  }
  return scalars
}
