// What was promised: every external id whose comparison was acknowledged, and every one whose request was refused. Compared in the end
// with what the system lists: acknowledged means stored, refused means not stored. Of a name that several requests used, and of a refused
// delivery that was replayed, nothing can be said.
import { createHash } from "node:crypto"
import { call } from "#infra/local/http.ts"
import type { Plan } from "./RequestPlans.ts"
import type { RunningSystem } from "./running-system.ts"
import type { Outcome } from "./send.ts"

interface Report {
  readonly status?: string
  readonly accepted?: number
  readonly duplicates?: number
  readonly rejectedLines?: number
  readonly rejected?: readonly { readonly line: number }[]
}

const LIST_LIMIT = 100

export interface Reckoning {
  readonly stored: number
  readonly acknowledged: number
  readonly refused: number
  readonly lost: readonly string[]
  readonly storedThoughRefused: readonly string[]
  /** Comparisons that the scorer gave up on. */
  readonly parked: readonly string[]
}

export class Ledger {
  readonly #acknowledged = new Set<string>()
  readonly #refused = new Set<string>()
  readonly #uses = new Map<string, number>()
  /** Names of refused deliveries by the digest of their bodies. */
  readonly #deliveries = new Map<string, readonly string[]>()

  /** Notes what an answer promised of the comparisons that its request stated. */
  note(plan: Plan, outcome: Outcome): void {
    for (const name of new Set(plan.names)) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1)
    if (plan.operation.id === "deliveries.replay") this.#noteReplay(plan)
    if (plan.names.length === 0 || outcome.kind !== "answer" || plan.method !== plan.operation.method) return
    const { status, text } = outcome.answer
    if (status >= 400 && status < 500) this.#noteRefusal(plan)
    if (status !== 202) return
    const report = JSON.parse(text) as Report
    if (plan.operation.id === "comparisons.createMany") this.#noteLines(plan, report)
    else if (plan.operation.id !== "webhooks.retrain" && report.status !== "ignored")
      this.#addAll(this.#acknowledged, plan.names)
  }

  /** The answer to an Idempotency-Key that was sent before is of the request of then; its names are those of now only if it is the same. */
  #noteLines({ names }: Plan, { accepted = 0, duplicates = 0, rejectedLines = 0, rejected = [] }: Report): void {
    if (accepted + duplicates + rejectedLines !== names.length || rejected.length !== rejectedLines) return
    const refused = new Set(rejected.map(({ line }) => line))
    for (const [index, name] of names.entries())
      this.#addAll(refused.has(index + 1) ? this.#refused : this.#acknowledged, [name])
  }

  #noteRefusal({ names, body }: Plan): void {
    this.#addAll(this.#refused, names)
    if (body !== undefined) this.#deliveries.set(createHash("sha256").update(body).digest("hex"), names)
  }

  #noteReplay({ path }: Plan): void {
    const [, digest = ""] = /\/deliveries\/([^/]+)\/replay/.exec(path) ?? []
    for (const name of this.#deliveries.get(digest) ?? []) this.#refused.delete(name)
  }

  #addAll(set: Set<string>, names: readonly string[]): void {
    for (const name of names) if (name !== "") set.add(name)
  }

  /** Compares with what the datasets list. */
  async reckon({ url, adminKey }: RunningSystem, datasets: readonly string[]): Promise<Reckoning> {
    const stored = new Set<string>()
    const parked: string[] = []
    for (const dataset of datasets)
      for (let cursor = ""; ; ) {
        const page = await call<{ items: { externalId: string; status: string }[]; nextCursor?: string }>(
          url,
          "GET",
          `/v1/datasets/${dataset}/comparisons?limit=${LIST_LIMIT}${cursor}`,
          { key: adminKey },
        )
        for (const { externalId, status } of page.items) {
          stored.add(externalId)
          if (status === "parked") parked.push(externalId)
        }
        if (page.nextCursor === undefined) break
        cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`
      }
    const refused = [...this.#refused].filter((name) => !this.#acknowledged.has(name) && this.#uses.get(name) === 1)
    return {
      ...{ stored: stored.size, acknowledged: this.#acknowledged.size, refused: refused.length, parked },
      lost: [...this.#acknowledged].filter((name) => !stored.has(name)),
      storedThoughRefused: refused.filter((name) => stored.has(name)),
    }
  }
}
