// What was asked of a judge and what it answered, as lines that are only ever added. A line stands in the file before its request is sent, and
// another when the answer is there: after a kill neither an answer is lost nor the count of requests.
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import path from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { type JudgeAnswer, readJudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"
import { addTokens, type JudgeTokens, NO_TOKENS } from "#shared/evaluation/judge/judge-cost.ts"

export const RECORDS_FILE = "records.jsonl"

/** A line of the records is none of ours. */
export class DamagedRecords extends taggedError("DamagedRecords") {}

interface Requested {
  readonly kind: "request"
  readonly key: string
  readonly attempt: number
  readonly at: string
  /** No more than these are billed for it. */
  readonly most: JudgeTokens
}

/** A response as it came, with what is read from it, so that a person need not. */
interface Answered extends JudgeAnswer {
  readonly kind: "answer"
  readonly key: string
  readonly judge: string
  readonly attempt: number
  readonly at: string
  readonly response: unknown
}

/** A question that the endpoint will not answer, or an answer that is none. */
interface Failed {
  readonly kind: "failure"
  readonly key: string
  readonly attempt: number
  readonly at: string
  readonly reason: string
  /** The question is not asked again. */
  readonly isFinal: boolean
  /** The endpoint answered with an error, for which none bills. */
  readonly isFree: boolean
  /** What came, where something did. */
  readonly response?: unknown
}

export type JudgeRecord = Requested | Answered | Failed

export interface JudgeRecords {
  /** Requests that were ever sent, or were about to be. */
  readonly requests: () => number
  /** Tokens as they were told; of requests without an answer, no less than what may be billed. */
  readonly tokens: () => JudgeTokens
  /** What is known of a question: its answer, or `refused`. */
  readonly answerTo: (key: string) => JudgeAnswer | "refused" | undefined
  /** Adds a record; on disk when it returns, for whatever happens to this process. */
  readonly add: (record: JudgeRecord) => void
  readonly close: () => void
}

/** Opens a folder's records of one judge. A last line that was cut off by a kill is taken away. Throws DamagedRecords. */
export function openJudgeRecords(directory: string, judge: string): JudgeRecords {
  makeFolder(directory)
  const file = path.join(directory, RECORDS_FILE)
  const known = new Map<string, JudgeAnswer | "refused">()
  const open = new Map<string, JudgeTokens>()
  let requests = 0
  let tokens = NO_TOKENS
  const bill = ({ key, attempt }: JudgeRecord, billed: JudgeTokens | undefined) => {
    const most = open.get(`${key} ${attempt}`) ?? NO_TOKENS
    if (billed !== undefined) tokens = addTokens(addTokens(tokens, most, -1), billed)
    open.delete(`${key} ${attempt}`)
  }
  const take = (record: JudgeRecord) => {
    if (record.kind === "request") {
      requests++
      open.set(`${record.key} ${record.attempt}`, record.most)
      tokens = addTokens(tokens, record.most)
    } else if (record.kind === "failure") bill(record, record.isFree ? NO_TOKENS : undefined)
    else bill(record, record.tokens.prompt > 0 ? record.tokens : undefined)
    if (record.kind === "failure" && record.isFinal) known.set(record.key, "refused")
    if (record.kind === "answer") {
      const answer = readJudgeAnswer(record.response, judge)
      if (!("fault" in answer)) known.set(record.key, answer)
    }
  }
  const text = existsSync(file) ? readFileSync(file, "utf8") : ""
  const whole = text.slice(0, text.lastIndexOf("\n") + 1)
  whole.split("\n").forEach((line, index) => {
    if (line !== "") take(recordOf(line, `${file} line ${index + 1}`))
  })
  const descriptor = openSync(file, "a")
  ftruncateSync(descriptor, Buffer.byteLength(whole))
  return {
    requests: () => requests,
    tokens: () => tokens,
    answerTo: (key) => known.get(key),
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

function recordOf(line: string, name: string): JudgeRecord {
  try {
    const record = JSON.parse(line)
    if (["request", "answer", "failure"].includes(record.kind) && typeof record.key === "string") return record
  } catch {
    // Told below.
  }
  throw new DamagedRecords(`${name} is no record of a judge; take the file away, or choose another --out`)
}
