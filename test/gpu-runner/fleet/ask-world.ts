// Ask jobs as runners do them, against a gateway of maps and a judge that takes our own words and prefers the longer answer.
import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { HttpResponse } from "msw"
import { sha256 } from "#gpu-runner/data/files.ts"
import { executeJob } from "#gpu-runner/fleet/execute-job.ts"
import type { JobExecutor, JudgeAccess } from "#gpu-runner/fleet/job-context.ts"
import { RunnerApi } from "#gpu-runner/fleet/RunnerApi.ts"
import type { EndpointJudge } from "#shared/domain/EvaluationSettings.ts"
import type { JudgeQuestion } from "#shared/evaluation/judge/judge-question.ts"
import { readSuite } from "#shared/judgement/sources/prompt-suite.ts"
import { decodeAskedVerdicts } from "#shared/wire/asked-verdicts.ts"
import type { AskJob, JobProgress } from "#shared/wire/job.ts"
import { keptTexts } from "#shared/wire/kept-lines.ts"
import { responsesLine } from "#shared/wire/responses.ts"
import { valuedPrompts } from "#shared/workflows/asked-answers.ts"
import { JUDGE, JUDGE_URL, said, verdictOn } from "../client/judge/judge-stand-in.ts"
import type { Workspace } from "../support/tiny-folder.ts"
import { leasedJob } from "./gateway-stand-in.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const SHOWN =
  /^(?:The instruction|The question):\n\n([\s\S]*)\n\n-----[^\n]*:\n\n([\s\S]*)\n\n-----[^\n]*:\n\n([\s\S]*)\n\n-----\n\n/

/** A question in the shape that the stand-in reads. */
export const shownIn = (body: JudgeQuestion["body"]) => {
  const { content } = body.messages.find(({ role }) => role === "user")!
  const [, instruction, first, second] = SHOWN.exec(content)!
  return { instruction: instruction!, first: first!, second: second! }
}

/** Its right answer: of canaries the good one, which each of ours tells by other things than length. */
export const rightAnswer = (body: JudgeQuestion["body"]): Response => {
  const { instruction, first, second } = shownIn(body)
  const isGood = (answer: string) => /Tokyo|rain tomorrow|Take shorter|scatters short/.test(answer)
  const seen = (answer: string) => (isGood(answer) ? "x".repeat(200) : answer)
  if (body.logprobs !== true) {
    const [one, other] = [seen(first).length, seen(second).length]
    return HttpResponse.json(said(one > other ? "[[A]]" : one < other ? "[[B]]" : "[[C]]"))
  }
  const content = `${instruction.replaceAll("|", " ")}|${seen(first).replaceAll("|", " ")}|${seen(second).replaceAll("|", " ")}`
  return HttpResponse.json(verdictOn({ ...body, messages: [{ role: "user", content }] }))
}

export const SUITE = Array.from({ length: 6 }, (_, index) => ({
  id: `p${index}`,
  prompt: index === 5 ? [{ role: "user", content: "Turn 5" }] : `Question ${index}`,
  metadata: { setting: index % 2 === 0 ? "sales" : "support" },
  ...(index === 0 ? { chosen: "the longer answer", rejected: "short" } : {}),
}))

/** Longer than the others' on two prompts of three; of the first alike. */
const ANSWERS: Readonly<Record<string, (index: number) => string>> = {
  "support@2": (index) => (index === 0 ? "alike" : "c".repeat(index % 3 === 0 ? 3 : 12)),
  "support@1": (index) => (index === 0 ? "alike" : "p".repeat(8)),
  "tiny@1": (index) => "b".repeat(4 + index),
}

export class AskWorld {
  readonly blobs = new Map<string, Uint8Array>()
  readonly progress: JobProgress[] = []
  readonly #kept = new Map<string, string[]>()
  readonly #workspace: Workspace
  #runners = 0
  readonly prompts: string
  readonly responses: Record<string, string>

  constructor(workspace: Workspace) {
    this.#workspace = workspace
    this.prompts = this.#put(utf8(SUITE.map((line) => `${JSON.stringify(line)}\n`).join("")))
    this.responses = Object.fromEntries(
      Object.entries(ANSWERS).map(([name, says]) => {
        const lines = SUITE.map(({ id }, index) =>
          responsesLine(id, [{ text: says(index), tokens: 1, finishReason: "stop", sumLogProb: -1 }]),
        )
        return [name, this.#put(utf8(lines.join("")))]
      }),
    )
  }

  #put(bytes: Uint8Array): string {
    const digest = sha256(bytes)
    this.blobs.set(digest, bytes)
    return digest
  }

  spec(judge: Partial<EndpointJudge> = {}): AskJob {
    const { prompts, responses } = this
    return {
      ...{ kind: "ask", runId: "run", prompts, responses, candidate: "support@2" },
      judge: { url: JUDGE_URL, model: JUDGE, ...judge },
    }
  }

  /** What was asked and answered, as the gateway has it of a job that is not done. */
  records(jobId: string): { readonly kind: string; readonly key: string }[] {
    return keptTexts((this.#kept.get(jobId) ?? []).join("\n")).map((text) => JSON.parse(text))
  }

  /** As an earlier lease did. */
  keepLine(jobId: string, line: string): void {
    this.#kept.set(jobId, [...(this.#kept.get(jobId) ?? []), line])
  }

  /** By a runner of its own, whose folder nobody had before, unless one is told; `signal`: when it is killed. */
  async ask(
    spec: AskJob,
    jobId: string,
    {
      signal = new AbortController().signal,
      directory = this.#workspace.at(`runner-${this.#runners++}`),
      ...judge
    }: Partial<JudgeAccess> & { readonly signal?: AbortSignal; readonly directory?: string } = {},
  ) {
    const executor: JobExecutor = {
      directory,
      device: async () => {
        throw new Error("no device")
      },
      judge: { url: JUDGE_URL, apiKey: "secret-key", sleep: async () => undefined, ...judge },
    }
    return this.execute(executor, spec, jobId, signal)
  }

  async execute(executor: JobExecutor, spec: AskJob, jobId: string, signal = new AbortController().signal) {
    const context = {
      ...{ job: leasedJob({ jobId, spec }), signal, onMetrics: () => undefined },
      onProgress: (progress: JobProgress) => void this.progress.push(progress),
    }
    const kept = this.#kept.get(jobId) ?? []
    this.#kept.set(jobId, kept)
    const api = {
      download: (digest: string, file: string) =>
        Effect.sync(() => {
          mkdirSync(path.dirname(file), { recursive: true })
          writeFileSync(file, this.blobs.get(digest)!)
        }),
      keep: (_: unknown, from: number, lines: readonly string[]) =>
        // What a killed runner still sends does not arrive.
        signal.aborted ? Effect.never : Effect.sync(() => void kept.splice(from, Number.POSITIVE_INFINITY, ...lines)),
      kept: (_: unknown, from: number) =>
        Effect.sync(() =>
          kept
            .slice(from, from + 7)
            .map((line) => `${line}\n`)
            .join(""),
        ),
      upload: (_: unknown, bytes: Uint8Array) => Effect.sync(() => this.#put(bytes)),
    }
    const work = Effect.provideService(executeJob(executor, context), RunnerApi, api as never)
    const result = await Effect.runPromise(work, { signal })
    if (result.kind !== "ask") throw new Error(`an ask job gave ${result.kind}`)
    return this.verdicts(result.verdicts)
  }

  /** How far the candidate is preferred, prompt by prompt, against each of the others; and the records. */
  verdicts(digest: string) {
    const { asked, ledger } = decodeAskedVerdicts(this.blobs.get(digest)!, JUDGE)
    const suite = readSuite(this.blobs.get(this.prompts)!)
    const values = Object.fromEntries(
      [...asked].flatMap(([against, run]) =>
        against === null
          ? []
          : [[against, valuedPrompts(suite, run, ledger)!.map(({ preference }) => preference)] as const],
      ),
    )
    return { values, asked, ledger }
  }
}
