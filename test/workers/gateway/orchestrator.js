// The orchestrator as its callers see it: runs, one job with fencing, and a registry. It keeps to OrchestratorRpc and does
// nothing behind it. Over 300 lines: one interface. `limitRows` says how long a model's rows are at most. `failNext` lets the next call fail as named; `calls` tells what was asked; `endRuns` ends all runs; `nameRuns` says
// how the next ones begin.
import { WorkerEntrypoint } from "cloudflare:workers"

const fresh = () => ({
  runs: new Map(),
  evaluations: new Map(),
  job: undefined,
  fencingToken: 0,
  channels: new Map(),
  history: new Map(),
  metrics: [],
  kept: [],
  calls: [],
  failure: undefined,
  runName: "run-",
  end: {},
  maxPositions: 16_384,
})
let state = fresh()

const ok = (value) => ({ ok: true, value })
const refuse = (_tag, message) => ({ ok: false, error: { _tag, message } })

const canonical = (files) =>
  JSON.stringify(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))))

const sha256 = async (text) =>
  [...new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("")

const isCurrent = ({ jobId, fencingToken }) => {
  if (state.job?.jobId !== jobId) return refuse("NotFound", `there is no job ${jobId}`)
  return fencingToken === state.fencingToken ? ok(null) : refuse("StaleLease", `job ${jobId} was leased again`)
}

const guarded = (call, value = null) => {
  const lease = isCurrent(call)
  return lease.ok ? ok(value) : lease
}

export class Orchestrator extends WorkerEntrypoint {
  #note(name, input) {
    state.calls.push([name, input])
    const failure = state.failure
    state.failure = undefined
    if (failure === "throw") throw new Error("the orchestrator is restarting")
    return failure === undefined ? undefined : refuse(failure, `the orchestrator says ${failure}`)
  }

  trigger(input) {
    const failed = this.#note("trigger", input)
    if (failed) return failed
    const id = `${input.datasetId}/${input.key}`
    const created = !state.runs.has(id)
    if (created) state.runs.set(id, { runId: `${state.runName}${state.runs.size + 1}`, input })
    return ok({ runId: state.runs.get(id).runId, created, ...(created ? {} : state.end) })
  }

  getRun(runId) {
    const failed = this.#note("getRun", runId)
    if (failed) return failed
    const run = [...state.runs.values()].find((candidate) => candidate.runId === runId)
    if (run === undefined) return refuse("NotFound", `there is no run ${runId}`)
    return ok({
      id: runId,
      datasetId: run.input.datasetId,
      trigger: run.input.trigger,
      method: "alpha-dpo",
      status: "running",
      step: "train",
      detail: {},
      progress: { step: 3, steps: 10 },
      createdAt: 1,
      updatedAt: 2,
    })
  }

  async cancelRun(runId) {
    const found = await this.getRun(runId)
    if (!found.ok) return found
    const run = [...state.runs.values()].find((candidate) => candidate.runId === runId)
    if (run.isOver) return refuse("Conflict", `run "${runId}" has succeeded already`)
    return ok({ ...found.value, status: "cancelled", error: "it was cancelled" })
  }

  automaticRuns(datasetId) {
    const failed = this.#note("automaticRuns", datasetId)
    if (failed) return failed
    const counts = { newPairs: 3, trainPairs: 2, heldOutPairs: 1, failures: 0 }
    return ok({
      state: "waiting",
      reason: "3 pairs are new since the last run, and 10 start one",
      threshold: 10,
      ...counts,
    })
  }

  runMetrics(runId) {
    const failed = this.#note("runMetrics", runId)
    if (failed) return failed
    return runId === "run-1" ? ok(state.metrics) : refuse("NotFound", `there is no run ${runId}`)
  }

  async evaluate(input) {
    const failed = this.#note("evaluate", input)
    if (failed) return failed
    const key = `${input.modelName}/${input.key}`
    const created = !state.evaluations.has(key)
    if (created) state.evaluations.set(key, { id: `evaluation-${state.evaluations.size + 1}`, input })
    const { id } = state.evaluations.get(key)
    const { against = [{ name: "tiny", version: 1 }], judge } = input
    await this.env.DB.prepare(
      `INSERT INTO evaluations (id, model_name, version, settings, prompts_digest, status, step, detail, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, 'running', 'generate', '{}', ?, 9) ON CONFLICT (id) DO NOTHING`,
    )
      .bind(
        id,
        input.modelName,
        input.version,
        JSON.stringify({ against, judge }),
        input.prompts,
        state.evaluations.size,
      )
      .run()
    return ok({ evaluationId: id, created })
  }

  getEvaluation({ modelName, id }) {
    const failed = this.#note("getEvaluation", { modelName, id })
    if (failed) return failed
    const found = [...state.evaluations.values()].find((one) => one.id === id && one.input.modelName === modelName)
    if (found === undefined) return refuse("NotFound", `"${modelName}" has no evaluation "${id}"; list its evaluations`)
    const { version, prompts, judge, answering } = found.input
    return ok({
      ...{ id, model: { name: modelName, version }, against: [{ name: "tiny", version: 1 }], prompts, judge },
      ...(answering && { answering }),
      ...{ status: "running", step: "judge", detail: {}, progress: { step: 3, steps: 10 }, createdAt: 1, updatedAt: 2 },
    })
  }

  cancelEvaluation({ modelName, id }) {
    const failed = this.#note("cancelEvaluation", { modelName, id })
    if (failed) return failed
    const found = this.getEvaluation({ modelName, id })
    return found.ok ? ok({ ...found.value, status: "cancelled", error: "it was cancelled" }) : found
  }

  checkEvaluation(input) {
    return this.#note("checkEvaluation", input) ?? ok(null)
  }

  pairsReady(datasetId) {
    return this.#note("pairsReady", datasetId) ?? ok({ runId: null })
  }

  sweep(input) {
    // Isolates of tests wake it when they begin, which no test is to see.
    if (input.isUrgent) this.#note("sweep", input)
    return ok(null)
  }

  lease(input) {
    const failed = this.#note("lease", input)
    if (failed) return failed
    if (state.job === undefined) return ok(null)
    state.fencingToken += 1
    return ok({ ...state.job, fencingToken: state.fencingToken })
  }

  heartbeat(input) {
    return this.#note("heartbeat", input) ?? guarded(input, { leaseExpiresAt: 61_000 })
  }

  metrics(input) {
    const failed = this.#note("metrics", input)
    if (failed) return failed
    const answer = guarded(input)
    if (answer.ok) state.metrics.push(...input.lines)
    return answer
  }

  checkLease(input) {
    return this.#note("checkLease", input) ?? guarded(input)
  }

  complete(input) {
    return this.#note("complete", input) ?? guarded(input)
  }

  fail(input) {
    return this.#note("fail", input) ?? guarded(input)
  }

  async checkModelName({ name }) {
    const other = await this.env.DB.prepare("SELECT kind FROM models WHERE name = ? AND kind <> 'base'")
      .bind(name)
      .first("kind")
    if (other === null) return ok(null)
    const message = `"${name}" is the name of a model of kind ${other}; choose another name`
    return { ok: false, error: { _tag: "Conflict", message } }
  }

  async registerModel({ name, kind, files, source }) {
    const failed = this.#note("registerModel", { name, kind, files, source })
    if (failed) return failed
    const digest = await sha256(canonical(files))
    const rows = (await this.env.DB.prepare("SELECT * FROM models WHERE name = ?").bind(name).all()).results
    const known = rows.find((row) => row.digest === digest)
    const version = known?.version ?? rows.length + 1
    if (known === undefined)
      await this.env.DB.prepare(
        "INSERT INTO models (name, version, kind, digest, files, metrics, created_at, source) VALUES (?, ?, ?, ?, ?, '{}', 5, ?)",
      )
        .bind(name, version, kind, digest, JSON.stringify(files), source === undefined ? null : JSON.stringify(source))
        .run()
    return ok({ name, version, kind, digest, files, ...(source && { source }), metrics: {}, createdAt: 5 })
  }

  moveChannel({ name, channel, version }) {
    const failed = this.#note("moveChannel", { name, channel, version })
    if (failed) return failed
    if (version > 9) return refuse("NotFound", `${name} has no version ${version}`)
    const previous = state.channels.get(`${name}/${channel}`)
    const pointer = {
      name,
      channel,
      version,
      ...(previous ? { previousVersion: previous.version } : {}),
      movedAt: 7,
    }
    state.channels.set(`${name}/${channel}`, pointer)
    return ok(pointer)
  }

  rollback({ name, operation }) {
    const failed = this.#note("rollback", { name, operation })
    if (failed) return failed
    const pointer = state.channels.get(`${name}/production`)
    return pointer?.previousVersion === undefined
      ? refuse("Conflict", `${name} has no earlier version in production`)
      : this.moveChannel({ name, channel: "production", version: pointer.previousVersion })
  }

  checkReference({ files, systemText, maxLength, place, precision = "stored" }) {
    if (systemText === "refuse") return refuse("Invalid", "the chat template takes no system text")
    const fits = "model.onnx" in files && precision === "stored" && maxLength <= 4096
    if (place === "edge" && !fits) return refuse("Invalid", "the edge cannot compute this reference")
    const why = place === "runner" ? "it was asked for" : fits ? "the graph fits" : "no graph fits"
    return ok({ place: place ?? (fits ? "edge" : "runner"), why, precision, maxPositions: state.maxPositions })
  }

  handInScores({ scores, ...input }) {
    const failed = this.#note("handInScores", { ...input, bytes: scores.length })
    if (failed) return failed
    return guarded(input, { scored: input.from + 1 })
  }

  keep(input) {
    const failed = this.#note("keep", input)
    if (failed) return failed
    const lease = isCurrent(input)
    if (!lease.ok) return lease
    state.kept = [...state.kept.slice(0, input.from), ...input.lines]
    return ok({ kept: state.kept.length })
  }

  kept(input) {
    const failed = this.#note("kept", input)
    if (failed) return failed
    return guarded(input, state.kept.slice(input.from))
  }

  channels(name) {
    return ok([...state.channels.values()].filter((pointer) => pointer.name === name))
  }

  reset() {
    state = fresh()
  }

  offer(job) {
    state.job = job
  }

  endRuns(end) {
    state.end = end
  }

  nameRuns(name) {
    state.runName = name
  }

  limitRows(maxPositions) {
    state.maxPositions = maxPositions
  }

  failNext(failure) {
    state.failure = failure
  }

  calls() {
    return state.calls
  }
}

export default { fetch: () => new Response(null, { status: 404 }) }
