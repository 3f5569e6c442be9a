// The demo from end to end on a running gateway: labels in, a promoted adapter out, two baselines beside it.
import { setTimeout as sleep } from "node:timers/promises"
import { call } from "#infra/local/http.ts"
import type { ModelReference } from "#shared/domain/ModelReference.ts"
import type { Run } from "#shared/domain/Run.ts"
import type { DemoReport, Outcome } from "./report.ts"
import { baselineRun, finishedRun, type LocalGateway, thresholdRun, webhookRun } from "./runs.ts"
import { openSession, type Play, type Session } from "./session.ts"
import { type Adapters, answersToSuite } from "./suite-answers.ts"
import { METHODS, type SuiteAnswers } from "./suite-verdicts.ts"
import { type Delivery, type DeliveryCounts, type Destination, replay } from "./traffic.ts"

export interface DemoOptions extends LocalGateway {
  readonly stateDirectory: string
  readonly traffic: readonly Delivery[]
  readonly play: Play
  /** Training options of the baselines, over the dataset's own. Empty: no baselines. */
  readonly baselines: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Prompts that everybody answers. */
  readonly suiteFile: string
  readonly onProgress: (line: string) => void
}

interface Status {
  readonly outbox: { readonly waiting: number }
  readonly scorer: Readonly<Record<string, number>>
}

interface Dataset {
  readonly referenceModel: ModelReference
  readonly counts: {
    readonly comparisons: Readonly<Record<string, number>>
    readonly pairs: Readonly<Record<string, number>>
  }
}

const destinationOf = ({ url, datasetId, provisioned, signal }: LocalGateway): Destination => ({
  url,
  datasetId,
  signal,
  ingestKey: provisioned.ingestKey,
  endpoints: { argilla: provisioned.argilla, "label-studio": provisioned.labelStudio },
})

const status = ({ url, operatorKey, signal }: LocalGateway): Promise<Status> =>
  call<Status>(url, "GET", "/v1/status", { key: operatorKey, signal })

const dataset = ({ url, datasetId, operatorKey, signal }: LocalGateway): Promise<Dataset> =>
  call<Dataset>(url, "GET", `/v1/datasets/${datasetId}`, { key: operatorKey, signal })

/** Waits until every acknowledged comparison has become pairs with reference log-probs. */
const untilScored = async (options: DemoOptions): Promise<void> => {
  for (let lastShown = ""; ; await sleep(500)) {
    const { outbox, scorer } = await status(options)
    if (outbox.waiting === 0) return
    const line = `scoring: ${scorer.responses_computed ?? 0} reference log-probs computed, ${outbox.waiting} comparisons wait`
    if (line !== lastShown) options.onProgress(line)
    lastShown = line
  }
}

type Told = Pick<Run, "progress"> & { readonly step: string }

const describe = (what: string, { step, progress }: Told): string => {
  const done = (progress?.steps ?? 0) === 0 ? "" : ` ${progress!.step}/${progress!.steps}`
  const message = progress?.message === undefined ? "" : `, ${progress.message}`
  return `${what}: ${step}${done}${message}`
}

/** One line every two seconds at most, and always when the step changes. */
const paced = (onProgress: (line: string) => void, what: string) => {
  let shownAt = 0
  let step = ""
  return (told: Told): void => {
    if (told.step === step && Date.now() - shownAt < 2000) return
    shownAt = Date.now()
    step = told.step
    onProgress(describe(what, told))
  }
}

const runAll = async (options: DemoOptions, session: Session): Promise<Outcome> => {
  const key = `${options.datasetId}-session-${session.number}`
  const ids = new Map<string, string>()
  ids.set("alpha-dpo", session.number === 1 ? await thresholdRun(options) : await webhookRun(options, key))
  for (const [name, config] of Object.entries(options.baselines)) {
    ids.set(name, await baselineRun(options, `${key}-${name}`, name, config))
  }
  const runs = new Map<string, Run>()
  for (const [name, id] of ids) runs.set(name, await finishedRun(options, id, paced(options.onProgress, name)))
  return { alphaDpo: runs.get("alpha-dpo")!, simpo: runs.get("simpo"), dpo: runs.get("dpo") }
}

/** What base and adapters answer, after all of them are registered. */
const answers = async (options: DemoOptions, session: Session, outcome: Outcome): Promise<SuiteAnswers> => {
  const made = METHODS.flatMap((method) => {
    const registered = outcome[method]?.detail.promote
    return registered === undefined ? [] : [[method, { name: registered.name, version: registered.version }] as const]
  })
  const adapters = Object.fromEntries(made) as unknown as Adapters
  const { referenceModel: base } = await dataset(options)
  const contest = {
    base,
    adapters,
    suiteFile: options.suiteFile,
    key: `${options.datasetId}-answers-${session.number}`,
  }
  return answersToSuite(options, contest, paced(options.onProgress, "answers to the suite"))
}

const sum = (counts: Readonly<Record<string, number>>, names: readonly string[]): number =>
  names.reduce((total, name) => total + (counts[name] ?? 0), 0)

const makeReport = async (
  options: DemoOptions,
  session: Session,
  deliveries: DeliveryCounts,
  { alphaDpo, simpo, dpo }: Outcome,
  answered: SuiteAnswers,
): Promise<Omit<DemoReport, "durationSeconds">> => {
  const { scorer } = await status(options)
  const { counts } = await dataset(options)
  const since = (name: string): number => (scorer[name] ?? 0) - (session.scorerBefore[name] ?? 0)
  const computed = since("responses_computed")
  const needed = alphaDpo.detail.score!.computed + alphaDpo.detail.score!.fromCache
  const promote = alphaDpo.detail.promote!
  return {
    pairs: { accepted: counts.pairs.ready ?? 0, rejected: deliveries.rejected + sum(counts.comparisons, ["dropped"]) },
    reference: { computed, fromCache: Math.max(0, needed - computed), sessionsOpened: since("sessions_opened") },
    accuracy: {
      base: alphaDpo.detail.evaluate!.baseAccuracy,
      alphaDpo: alphaDpo.detail.evaluate!.accuracy,
      simpo: simpo?.detail.evaluate?.accuracy ?? null,
      dpo: dpo?.detail.evaluate?.accuracy ?? null,
    },
    answers: answered,
    gates: promote.gates,
    promoted: promote.promoted ? { name: promote.name, version: promote.version, digest: promote.digest } : null,
    deliveries,
  }
}

export interface PlayedDemo {
  readonly session: Session
  readonly report: Omit<DemoReport, "durationSeconds">
  readonly outcome: Outcome
}

/** Runs one session, or the rest of one that was cut off. */
export const runDemo = async (options: DemoOptions): Promise<PlayedDemo> => {
  const session = openSession(options.stateDirectory, options.play, (await status(options)).scorer)
  options.onProgress(`session ${session.number}: delivering ${options.traffic.length} labelling events`)
  const deliveries = await replay(destinationOf(options), options.traffic, (delivered) => {
    if (delivered % 100 === 0) options.onProgress(`delivered ${delivered} of ${options.traffic.length}`)
  })
  await untilScored(options)
  const outcome = await runAll(options, session)
  const answered = await answers(options, session, outcome)
  return { session, report: await makeReport(options, session, deliveries, outcome, answered), outcome }
}
