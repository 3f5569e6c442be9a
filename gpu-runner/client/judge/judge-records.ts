// What was asked of a judge and what it answered, as lines that are only ever added. A line stands in the file before its request is sent, and
// another when the answer is there: after a kill neither an answer is lost nor the count of requests.
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import path from "node:path"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import { taggedError } from "#gpu-runner/device/tagged-error.ts"
import { type JudgeAnswer, readJudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"
import { addTokens, type JudgePrice, type JudgeTokens, NO_TOKENS } from "#shared/evaluation/judge/judge-cost.ts"
import type { JudgeParameters } from "#shared/evaluation/judge/judge-question.ts"
import type { AnswerBook } from "#shared/evaluation/judge/verdict-rows.ts"

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
  /** All of the request but model and messages, which are in the key. */
  readonly parameters?: JudgeParameters
  /** As it was told, of a million tokens. */
  readonly price?: JudgePrice | undefined
  /** The question whose answer named no verdict, where it is asked because of that. */
  readonly after?: string | undefined
}

/** A response as it came, with what is read from it, so that a person need not. */
interface Answered extends Omit<JudgeAnswer, "text"> {
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

export interface KnownAnswers extends AnswerBook {
  /** Requests that were ever sent, or were about to be. */
  readonly requests: () => number
  /** Tokens as they were told; of requests without an answer, no less than what may be billed. */
  readonly tokens: () => JudgeTokens
}

export interface JudgeRecords extends KnownAnswers {
  /** Adds a record; on disk when it returns, for whatever happens to this process. */
  readonly add: (record: JudgeRecord) => void
  readonly close: () => void
}

/** Opens a folder's records of one judge. A last line that was cut off by a kill is taken away. Throws DamagedRecords. */
export function openJudgeRecords(directory: string, judge: string): JudgeRecords {
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

function readRecords(file: string, judge: string) {
  const known = new Map<string, JudgeAnswer | "refused">()
  const followUps = new Map<string, string>()
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
      if (record.after !== undefined) followUps.set(record.after, record.key)
      open.set(`${record.key} ${record.attempt}`, record.most)
      tokens = addTokens(tokens, record.most)
    } else if (record.kind === "failure") bill(record, record.isFree ? NO_TOKENS : undefined)
    else bill(record, record.tokens.prompt > 0 ? record.tokens : undefined)
    if (record.kind === "failure" && record.isFinal) known.set(record.key, "refused")
    if (record.kind === "answer") {
      const answer = readJudgeAnswer(record.response, judge, record.verdict === undefined ? "words" : "log-probs")
      if (!("fault" in answer)) known.set(record.key, answer)
    }
  }
  const text = existsSync(file) ? readFileSync(file, "utf8") : ""
  const whole = text.slice(0, text.lastIndexOf("\n") + 1)
  whole.split("\n").forEach((line, index) => {
    if (line !== "") take(recordOf(line, `${file} line ${index + 1}`))
  })
  return {
    requests: () => requests,
    tokens: () => tokens,
    answerTo: (key: string) => known.get(key),
    followUpOf: (key: string) => followUps.get(key),
    take,
    wholeBytes: Buffer.byteLength(whole),
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
