// Sends generated requests to a running system, many at a time, and tells what was wrong with the answers and what became of what was
// acknowledged.
import { setTimeout as sleep } from "node:timers/promises"
import { call } from "#infra/local/http.ts"
import { answerFault } from "./answer-faults.ts"
import { Ledger, type Reckoning } from "./Ledger.ts"
import { type ApiDocument, operationsOf } from "./operations.ts"
import { type Plan, RequestPlans } from "./RequestPlans.ts"
import type { RunningSystem } from "./running-system.ts"
import { SchemaValues } from "./schema-values.ts"
import { type Outcome, Sender } from "./send.ts"
import { openWorld } from "./World.ts"

/** How many faults are told whole. */
const MOST_TOLD = 200
const BODY_TOLD = 600
/** How long what was acknowledged may take to become pairs, after the last request. */
const SETTLE_LIMIT_MS = 600_000

export interface Fault {
  readonly fault: string
  readonly index: number
  readonly operation: string
  readonly disturbed: string
  readonly request: string
  readonly answer: string
}

export interface RequestsResult {
  readonly requests: number
  readonly seed: number
  readonly seconds: number
  readonly statuses: Readonly<Record<string, number>>
  /** Answers of each operation below 300 and all of them: an operation that was never used well was not tried. */
  readonly operations: Readonly<Record<string, { readonly succeeded: number; readonly answered: number }>>
  readonly latencyMs: { readonly median: number; readonly p99: number; readonly max: number }
  readonly faultCount: number
  readonly faults: readonly Fault[]
  readonly reckoning: Reckoning
  readonly waitingAfter: number
  /** Sent again, since the server closed a kept connection as they were under way. */
  readonly resent: number
}

export interface RequestsOptions {
  readonly requests: number
  readonly seed: number
  readonly concurrency: number
  readonly onProgress: (sent: number, faults: number) => void
  readonly onFault: (fault: Fault) => void
}

const told = ({ method, path, headers, body, framing }: Plan): string => {
  const text = body === undefined ? "" : Buffer.from(body.subarray(0, BODY_TOLD)).toString("utf8")
  return `${method} ${path} ${JSON.stringify(headers)} ${framing} ${body?.length ?? 0} bytes ${text}`
}

const toldAnswer = (outcome: Outcome): string =>
  outcome.kind === "answer" ? `${outcome.answer.status} ${outcome.answer.text.slice(0, BODY_TOLD)}` : outcome.kind

class Tally {
  readonly statuses: Record<string, number> = {}
  readonly operations: Record<string, { succeeded: number; answered: number }> = {}
  readonly latencies: number[] = []
  readonly faults: Fault[] = []
  faultCount = 0

  /** Counts an answer; what is wrong with it. */
  add(plan: Plan, outcome: Outcome): Fault | undefined {
    const status = outcome.kind === "answer" ? String(outcome.answer.status) : outcome.kind
    this.statuses[status] = (this.statuses[status] ?? 0) + 1
    this.operations[plan.operation.id] ??= { succeeded: 0, answered: 0 }
    const counts = this.operations[plan.operation.id]!
    if (outcome.kind === "answer") {
      counts.answered += 1
      if (outcome.answer.status < 300) counts.succeeded += 1
      this.latencies.push(outcome.answer.tookMs)
    }
    const fault = answerFault(plan, outcome)
    if (fault === undefined) return undefined
    this.faultCount += 1
    const { index, disturbed } = plan
    const what = { fault, index, operation: plan.operation.id, disturbed }
    const whole = { ...what, request: told(plan), answer: toldAnswer(outcome) }
    if (this.faults.length < MOST_TOLD) this.faults.push(whole)
    return whole
  }

  latencyMs(): RequestsResult["latencyMs"] {
    const sorted = this.latencies.toSorted((a, b) => a - b)
    const at = (share: number): number => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0)
    return { median: at(0.5), p99: at(0.99), max: at(1) }
  }
}

/** Waits until nothing acknowledged waits any more; what still does in the end. */
const settled = async ({ url, adminKey }: RunningSystem): Promise<number> => {
  for (let waitedMs = 0; ; waitedMs += 1000) {
    const { outbox } = await call<{ outbox: { waiting: number } }>(url, "GET", "/v1/status", { key: adminKey })
    if (outbox.waiting === 0 || waitedMs >= SETTLE_LIMIT_MS) return outbox.waiting
    await sleep(1000)
  }
}

export const sendGeneratedRequests = async (
  system: RunningSystem,
  options: RequestsOptions,
): Promise<RequestsResult> => {
  const { requests, seed, concurrency, onProgress, onFault } = options
  const document = await call<ApiDocument>(system.url, "GET", "/openapi.json")
  const world = await openWorld(system)
  const plans = new RequestPlans(operationsOf(document), new SchemaValues(document.components.schemas), world, seed)
  const sender = new Sender(system.port, concurrency)
  const ledger = new Ledger()
  const tally = new Tally()
  const startedAt = performance.now()
  let next = 0
  const sendOn = async (): Promise<void> => {
    while (next < requests) {
      const plan = plans.plan(next++)
      const outcome = await sender.send(plan)
      const fault = tally.add(plan, outcome)
      if (fault !== undefined) onFault(fault)
      ledger.note(plan, outcome)
      if (outcome.kind === "answer" && outcome.answer.status < 300 && plan.method === plan.operation.method)
        world.learn(plan.operation.id, jsonOf(outcome.answer.text), plan.path)
      onProgress(next, tally.faultCount)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, sendOn))
  sender.close()
  const seconds = (performance.now() - startedAt) / 1000
  const waitingAfter = await settled(system)
  const { statuses, operations, faultCount, faults } = tally
  const reckoning = await ledger.reckon(system, world.datasets)
  const latencyMs = tally.latencyMs()
  return {
    requests,
    seed,
    seconds,
    statuses,
    operations,
    latencyMs,
    faultCount,
    faults,
    reckoning,
    waitingAfter,
    resent: sender.resent,
  }
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Why the result is not as it must be; nothing where it is. */
export const requestsFailures = ({
  faultCount,
  faults,
  reckoning,
  waitingAfter,
}: RequestsResult): readonly string[] => {
  const { lost, storedThoughRefused, parked } = reckoning
  return [
    ...(faultCount > 0 ? [`${faultCount} wrong answers, the first: ${JSON.stringify(faults[0])}`] : []),
    ...(lost.length > 0 ? [`${lost.length} acknowledged comparisons are not stored: ${lost.slice(0, 5)}`] : []),
    ...(storedThoughRefused.length > 0
      ? [`${storedThoughRefused.length} refused comparisons are stored: ${storedThoughRefused.slice(0, 5)}`]
      : []),
    ...(parked.length > 0 ? [`${parked.length} comparisons are parked: ${parked.slice(0, 5)}`] : []),
    ...(waitingAfter > 0 ? [`${waitingAfter} comparisons still wait`] : []),
  ]
}
