// What a busy day asks of a system, all at once and for as long as one likes: deliveries by webhook, judgements one by one and in bulk,
// exports, lists, runs that are started and followed, jobs that a runner leases, blobs both ways, and the scoring of what came in. The same
// few thousand names are judged again and again, so that what is stored to learn from does not grow with time.
import { randomUUID } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { argillaHeaders } from "#infra/demo/loop/signing.ts"
import { type CallOptions, request } from "#infra/local/http.ts"
import { Random } from "./Random.ts"
import type { RunningSystem } from "./running-system.ts"
import { comparisonOf, digestOf, eventOf } from "./valid-bodies.ts"

const NAMES = 3000
const BULK_LINES = 300
const EXPORTED_PAGES = 20
const BLOB_BYTES = 256 * 1024

export class MixedLoad {
  readonly statuses: Record<string, number> = {}
  readonly #system: RunningSystem
  readonly #random = new Random("mixed load")
  #isOver = false
  #newestRun: string | undefined

  constructor(system: RunningSystem) {
    this.#system = system
  }

  /** Goes on until `stop`. */
  async run(): Promise<void> {
    await Promise.all([
      this.#every(200, () => this.#deliver()),
      this.#every(300, () => this.#judge()),
      this.#every(20_000, () => this.#bulk()),
      this.#every(15_000, () => this.#export()),
      this.#every(400, () => this.#list()),
      this.#every(60_000, () => this.#startRun()),
      this.#every(1000, () => this.#follow()),
      this.#every(500, () => this.#work()),
      this.#every(5000, () => this.#moveBlobs()),
    ])
  }

  stop(): void {
    this.#isOver = true
  }

  async #every(periodMs: number, work: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      const startedAt = performance.now()
      await work()
      await sleep(Math.max(0, periodMs - (performance.now() - startedAt)))
    }
  }

  /** One call, whose status is counted; a refusal is an answer here. */
  async #ask<A>(method: string, path: string, options: CallOptions = {}): Promise<A | undefined> {
    try {
      const { status, value } = await request<A>(this.#system.url, method, path, options)
      this.#count(String(status))
      return status < 300 ? value : undefined
    } catch (error) {
      this.#count(error instanceof Error ? error.message : String(error))
      return undefined
    }
  }

  #count(status: string): void {
    this.statuses[status] = (this.statuses[status] ?? 0) + 1
  }

  #get<A>(path: string): Promise<A | undefined> {
    return this.#ask<A>("GET", path, { key: this.#system.adminKey })
  }

  #post<A>(path: string, body: unknown): Promise<A | undefined> {
    return this.#ask<A>("POST", path, { key: this.#system.adminKey, idempotencyKey: randomUUID(), body })
  }

  get #dataset(): string {
    return `/v1/datasets/${this.#system.datasetId}`
  }

  #comparison(): unknown {
    const name = `m-${this.#random.below(NAMES)}`
    const judgement = { kind: "choice", winner: this.#random.pick(["a", "b"]) }
    return { ...comparisonOf(name, new Random(name)), judgement, labelledAt: new Date().toISOString() }
  }

  async #deliver(): Promise<void> {
    const { argilla, labelStudio } = this.#system.provisioned
    const name = `d-${this.#random.below(NAMES)}`
    const headers = { "content-type": "application/json" }
    const bytes = (event: unknown) => new TextEncoder().encode(JSON.stringify(event))
    const annotated = bytes(eventOf("label-studio", name, this.#random))
    await this.#ask("POST", labelStudio.path, {
      bytes: annotated,
      headers: { ...headers, "x-yohaku-secret": labelStudio.secret },
    })
    const event = eventOf("argilla", name, this.#random) as { timestamp: string }
    const signed = argillaHeaders(argilla.secret, randomUUID(), JSON.stringify(event), event.timestamp)
    await this.#ask("POST", argilla.path, { bytes: bytes(event), headers: { ...headers, ...signed } })
  }

  #judge(): Promise<unknown> {
    return this.#post(`${this.#dataset}/comparisons`, this.#comparison())
  }

  #bulk(): Promise<unknown> {
    const lines = Array.from({ length: BULK_LINES }, () => `${JSON.stringify(this.#comparison())}\n`).join("")
    return this.#ask("POST", `${this.#dataset}/comparisons/bulk`, {
      ...{ key: this.#system.adminKey, idempotencyKey: randomUUID() },
      bytes: new TextEncoder().encode(lines),
      headers: { "content-type": "application/x-ndjson" },
    })
  }

  async #export(): Promise<void> {
    for (const list of ["pairs?include=text&limit=100", "comparisons?limit=100"]) {
      let cursor = ""
      for (let page = 0; page < EXPORTED_PAGES; page++) {
        const got = await this.#get<{ nextCursor?: string }>(`${this.#dataset}/${list}${cursor}`)
        if (got?.nextCursor === undefined) break
        cursor = `&cursor=${encodeURIComponent(got.nextCursor)}`
      }
    }
  }

  #list(): Promise<unknown> {
    const endpoint = this.#system.provisioned.argilla.path.split("/").at(-1)
    return this.#get(
      this.#random.pick([
        ...["/v1/datasets", this.#dataset, `${this.#dataset}/trigger`, `${this.#dataset}/webhooks`, "/v1/models"],
        ...["/v1/runs", "/v1/status", "/openapi.json", `/v1/webhooks/${endpoint}/deliveries`],
      ]),
    )
  }

  async #startRun(): Promise<void> {
    const config = { seed: this.#random.below(2 ** 31) }
    const body = { promotion: "never", waitForIngest: false, config }
    const started = await this.#post<{ runId: string }>(`${this.#dataset}/runs`, body)
    this.#newestRun = started?.runId ?? this.#newestRun
  }

  async #follow(): Promise<void> {
    if (this.#newestRun === undefined) return
    await this.#get(`/v1/runs/${this.#newestRun}`)
    await this.#ask("GET", `/v1/runs?datasetId=${this.#system.datasetId}`, { key: this.#system.adminKey })
  }

  /** A runner that leases, reads what it is to train on, tells of some steps, and gives up. */
  async #work(): Promise<void> {
    const key = this.#system.runnerKey
    const leased = await this.#ask<{ job: { jobId: string; fencingToken: number; spec: { pack: string } } | null }>(
      "POST",
      "/v1/runner/lease",
      { key, body: { runnerId: "load", adapter: "none", waitMs: 5000 } },
    )
    const job = leased?.job
    if (!job) return
    const path = `/v1/runner/jobs/${job.jobId}`
    const headers = { "yohaku-fencing-token": String(job.fencingToken) }
    await this.#read(`/v1/blobs/${job.spec.pack}`)
    for (let step = 1; step <= 5; step++) {
      const lines = new TextEncoder().encode(`${JSON.stringify({ step, loss: 1 / step })}\n`)
      await this.#ask("POST", `${path}/heartbeat`, { key, headers, body: { progress: { step, steps: 5 } } })
      const metrics = { key, bytes: lines, headers: { ...headers, "content-type": "application/x-ndjson" } }
      await this.#ask("POST", `${path}/metrics?fromStep=${step}`, metrics)
    }
    await this.#ask("POST", `${path}/fail`, {
      key,
      headers,
      body: { error: "nothing is trained here", retryable: false },
    })
  }

  async #moveBlobs(): Promise<void> {
    const bytes = crypto.getRandomValues(new Uint8Array(BLOB_BYTES).subarray(0, 65_536))
    const body = new Uint8Array(BLOB_BYTES)
    body.set(bytes)
    const { adminKey } = this.#system
    await this.#ask("PUT", `/v1/blobs/${digestOf(body)}`, { key: adminKey, bytes: body })
    const models = await this.#get<{ versions: { files: Record<string, string> }[] }>("/v1/models/yohaku-demo-base")
    const weights = models?.versions[0]?.files["model.safetensors"]
    if (weights !== undefined) await this.#read(`/v1/blobs/${weights}`)
  }

  /** A blob's bytes, which are read and forgotten. */
  async #read(path: string): Promise<void> {
    try {
      const headers = { authorization: `Bearer ${this.#system.adminKey}` }
      const response = await fetch(`${this.#system.url}${path}`, { headers })
      for await (const _ of response.body ?? []);
      this.#count(String(response.status))
    } catch (error) {
      this.#count(String(error))
    }
  }
}
