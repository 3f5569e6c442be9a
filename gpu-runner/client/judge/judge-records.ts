// A judge's records as a file of lines that are only ever added. A line stands in the file before its request is sent, and another when the answer
// is there: after a kill neither an answer is lost nor the count of requests.
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import path from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import {
  type JudgeRecord,
  judgeLedger,
  judgeRecordOf,
  type KnownAnswers,
} from "#shared/evaluation/judge/judge-ledger.ts"

export const RECORDS_FILE = "records.jsonl"

/** A line of the records is none of ours. */
export class DamagedRecords extends taggedError("DamagedRecords") {}

export interface JudgeRecords extends KnownAnswers {
  /** Adds a record: it counts at once, and is safe when this resolves, for whatever happens to this process. */
  readonly add: (record: JudgeRecord) => void | Promise<void>
}

/** Records in a file: what is added is on disk when `add` returns. */
export interface FiledRecords extends JudgeRecords {
  readonly add: (record: JudgeRecord) => void
  readonly close: () => void
}

/** Opens a folder's records of one judge. A last line that was cut off by a kill is taken away. Throws DamagedRecords. */
export function openJudgeRecords(directory: string, judge: string): FiledRecords {
  makeFolder(directory)
  const file = path.join(directory, RECORDS_FILE)
  const { take, wholeBytes, ...known } = readRecords(file, judge)
  const descriptor = openSync(file, "a")
  ftruncateSync(descriptor, wholeBytes)
  return {
    ...known,
    add: (record) => {
      const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
      for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done)
      take(record)
    },
    close: () => {
      fsyncSync(descriptor)
      closeSync(descriptor)
    },
  }
}

/** A folder's records, to be looked at only. Throws DamagedRecords. */
export function readJudgeRecords(directory: string, judge: string): KnownAnswers {
  return readRecords(path.join(directory, RECORDS_FILE), judge)
}

/** Whose answers a folder's records hold. Throws DamagedRecords. */
export function judgesInRecords(directory: string): ReadonlySet<string> {
  const records = wholeRecords(path.join(directory, RECORDS_FILE)).records
  return new Set(records.flatMap((record) => (record.kind === "answer" ? [record.judge] : [])))
}

function readRecords(file: string, judge: string) {
  const ledger = judgeLedger(judge)
  const { records, wholeBytes } = wholeRecords(file)
  for (const record of records) ledger.take(record)
  return { ...ledger, wholeBytes }
}

/** Up to the last line's end. */
function wholeRecords(file: string): { readonly records: readonly JudgeRecord[]; readonly wholeBytes: number } {
  const text = existsSync(file) ? readFileSync(file, "utf8") : ""
  const whole = text.slice(0, text.lastIndexOf("\n") + 1)
  const records = whole
    .split("\n")
    .flatMap((line, index) => (line === "" ? [] : [recordOf(line, `${file} line ${index + 1}`)]))
  return { records, wholeBytes: Buffer.byteLength(whole) }
}

function recordOf(line: string, name: string): JudgeRecord {
  try {
    const record = judgeRecordOf(JSON.parse(line))
    if (record !== undefined) return record
  } catch {
    // Told below.
  }
  throw new DamagedRecords(`${name} is no record of a judge; take the file away, or choose another --out`)
}
