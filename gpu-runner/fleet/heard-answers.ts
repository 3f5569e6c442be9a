// What judges answered this runner, by the question's name, which is the digest of judge, parameters and whole prompt: an evaluation that is asked for
// again, with more of a budget or after a failure, pays for nothing twice. What is lost with the disk is asked again.
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs"
import path from "node:path"
import { sha256 } from "#gpu-runner/data/files.ts"
import { makeFolder } from "#gpu-runner/data/make-folder.ts"
import type { EndpointJudge } from "#shared/domain/EvaluationSettings.ts"
import { readJudgeAnswer } from "#shared/evaluation/judge/judge-answer.ts"
import type { JudgeRecord } from "#shared/evaluation/judge/judge-ledger.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"

/** Some tens of thousands of answers; then it is begun anew. */
const MOST_BYTES = 64 * 2 ** 20

export interface HeardAnswers {
  /** The record of a question that was answered before: no request, and no tokens. */
  readonly recordOf: (question: JudgeQuestion) => JudgeRecord | undefined
  /** Notes an answer, where the record is one. */
  readonly note: (record: JudgeRecord) => void
}

/** Of one judge behind one endpoint. */
export function heardAnswers(directory: string, { url, model }: Pick<EndpointJudge, "url" | "model">): HeardAnswers {
  const file = path.join(directory, "judged", `${sha256(JSON.stringify([url, model]))}.jsonl`)
  const known = read(file)
  return {
    recordOf: ({ key, body, after }) => {
      const response = known.get(key)
      const answer = readJudgeAnswer(response, model, body.logprobs === true ? "log-probs" : "words")
      if ("fault" in answer) return undefined
      const { text: _, ...said } = answer
      const nothing = { prompt: 0, cached: 0, completion: 0 }
      const at = new Date().toISOString()
      return { kind: "answer", key, judge: model, attempt: 0, at, ...said, tokens: nothing, response, after }
    },
    note: (record) => {
      if (record.kind !== "answer" || known.has(record.key)) return
      const { key, response } = record
      known.set(key, response)
      makeFolder(path.dirname(file))
      appendFileSync(file, `${JSON.stringify({ key, response })}\n`)
    },
  }
}

/** What a kill left of a last line is taken away. */
function read(file: string): Map<string, unknown> {
  if (!existsSync(file)) return new Map()
  if (statSync(file).size > MOST_BYTES) rmSync(file)
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
  const whole = bytes.lastIndexOf(0x0a) + 1
  if (whole < bytes.length) truncateSync(file, whole)
  return new Map(bytes.subarray(0, whole).toString("utf8").split("\n").flatMap(entryOf))
}

/** A line that a disk damaged is an answer that is not known. */
function entryOf(line: string): [string, unknown][] {
  try {
    const { key, response } = JSON.parse(line) as { readonly key: string; readonly response: unknown }
    return [[key, response]]
  } catch {
    return []
  }
}
