// Bodies that fit together as no schema can say: a judgement that names the comparison's own candidates, a labelling tool's event, a
// model's stored files. Other operations take what their schema allows.
import { createHash } from "node:crypto"
import type { Random } from "./Random.ts"
import type { World } from "./World.ts"

const WORDS = [
  "tea",
  "bread",
  "入社案内",
  "rain",
  "naïve",
  "42",
  "why",
  "is",
  "hot",
  "👩‍🔬",
  "承認",
  "slowly",
  "π",
  "ok",
]

const sentence = (random: Random, words = 1 + random.below(12)): string =>
  Array.from({ length: words }, () => random.pick(WORDS)).join(" ")

const textOrTurns = (random: Random, role: "user" | "assistant"): unknown =>
  random.chance(0.5) ? sentence(random) : [{ role, content: sentence(random) }]

const judgementOf = (ids: readonly string[], random: Random): unknown => {
  const valued = (value: () => number) => Object.fromEntries(ids.map((id) => [id, value()]))
  switch (random.weighted({ choice: 5, tie: 1, ranking: 2, rating: 2, strength: 1 })) {
    case "choice":
      return { kind: "choice", winner: random.pick(ids) }
    case "tie":
      return { kind: "tie", quality: random.pick(["good", "bad"]) }
    case "ranking":
      return { kind: "ranking", ranks: valued(() => 1 + random.below(3)) }
    case "rating":
      return { kind: "rating", scores: valued(() => random.below(10) / 2) }
    case "strength":
      return { kind: "strength", value: random.below(7) - 3 }
  }
}

/** `name` is the external id: no other request uses it. */
export const comparisonOf = (name: string, random: Random): Record<string, unknown> => {
  const ids = ["a", "b", "c", "d"].slice(0, 2 + random.below(3))
  return {
    externalId: name,
    prompt: textOrTurns(random, "user"),
    candidates: ids.map((id) => ({ id, response: `${sentence(random)} ${id}` })),
    judgement: judgementOf(ids.slice(0, random.chance(0.1) ? 2 : ids.length), random),
    ...(random.chance(0.3) ? { annotator: random.pick(["ann", "ben"]) } : {}),
    ...(random.chance(0.3) ? { labelledAt: new Date(1.7e12 + random.below(1e9)).toISOString() } : {}),
    ...(random.chance(0.2) ? { metadata: { setting: sentence(random, 2), nested: [1, { a: null }] } } : {}),
  }
}

/** Label Studio numbers its annotations. */
const annotationIdOf = (name: string): number =>
  Number.parseInt(digestOf(new TextEncoder().encode(name)).slice(0, 13), 16)

const labelStudioEvent = (name: string, random: Random) => ({
  action: random.pick(["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]),
  annotation: {
    id: annotationIdOf(name),
    result: [{ id: name, type: "pairwise", from_name: "pw", to_name: "answer1,answer2", value: { selected: "left" } }],
    ...{ was_cancelled: random.chance(0.1), ground_truth: false, completed_by: 3, lead_time: 8.4, task: 19 },
    updated_at: new Date(1.79e12 + random.below(1e9)).toISOString(),
  },
  task: {
    id: 19,
    data: { prompt: sentence(random), answer1: `${sentence(random)} 1`, answer2: `${sentence(random)} 2` },
  },
  project: { id: 2, title: "tea", label_config: "<View/>" },
})

const ranked = {
  preference: {
    value: [
      { value: "response_a", rank: 1 },
      { value: "response_b", rank: 2 },
    ],
  },
}

/** Argilla's event happens now: an old one would be refused. */
const argillaEvent = (name: string, random: Random) => {
  const now = new Date().toISOString()
  const fields = {
    prompt: sentence(random),
    response_a: `${sentence(random)} a`,
    response_b: `${sentence(random)} b`,
  }
  const questions = [{ name: "preference", settings: { type: "ranking" } }]
  const record = {
    id: `r-${name}`,
    status: "pending",
    metadata: {},
    fields,
    dataset: { id: "d", name: "tea", questions },
  }
  const user = { id: "u1", username: "ann", role: "annotator" }
  const type = random.pick(["response.created", "response.updated", "response.deleted"])
  const data = { id: name, status: "submitted", values: ranked, record, user, inserted_at: now, updated_at: now }
  return { type, version: 1, timestamp: now, data }
}

/** The external ids of comparisons that the event says, which was not disturbed: none where it takes one back. */
export const namesInEvent = (source: string, event: unknown, name: string): readonly string[] => {
  const { action = "", type = "", annotation } = event as Record<string, never> & ReturnType<typeof labelStudioEvent>
  if (`${action}${type}`.toLowerCase().includes("deleted") || annotation?.was_cancelled) return []
  if (source === "label-studio") return [String(annotationIdOf(name))]
  return source === "argilla" ? [name] : []
}

/** An event of the tool `source`. */
export const eventOf = (source: string, name: string, random: Random): unknown => {
  if (source === "label-studio") return labelStudioEvent(name, random)
  if (source === "argilla") return argillaEvent(name, random)
  return { type: "retrain.requested", timestamp: new Date().toISOString(), data: { promotion: "never" } }
}

export const linesOf = (name: string, random: Random): unknown[] =>
  Array.from({ length: 1 + random.below(6) }, (_, index) => comparisonOf(`${name}-${index}`, random))

export const rowsOf = (random: Random): unknown[] =>
  Array.from({ length: 1 + random.below(6) }, () => ({
    prompt: sentence(random),
    chosen: `${sentence(random)} yes`,
    rejected: `${sentence(random)} no`,
  }))

export const bytesOf = (random: Random): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: random.below(2000) }, () => random.below(256))

export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** A file that is sent in parts, by its length alone: whoever sends the part needs to know no more. */
export const partedBytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(0x61)

const uploadOf = (random: Random): unknown => {
  const bytes = 1 + random.below(5000)
  return { digest: digestOf(partedBytes(bytes)), bytes }
}

/** Any stored blobs will do: what they hold is for whoever evaluates them. */
const trained = ({ digests }: World): unknown => ({
  kind: "train",
  adapter: { "adapter_config.json": digests[0], "adapter_model.safetensors": digests.at(-1) },
  report: { steps: 10, loss: 0.5 },
})

/** A JSON body of the operation, where one by schema alone would seldom mean anything. */
export const bodyOf = (operationId: string, name: string, world: World, random: Random): unknown => {
  switch (operationId) {
    case "comparisons.create":
      return comparisonOf(name, random)
    case "datasets.create":
      return { id: name, referenceModel: { name: world.models[0] }, maxLength: 64 + random.below(200) }
    case "datasets.createWebhook":
      return { source: random.pick(["argilla", "label-studio", "retrain"]), mapping: {} }
    case "uploads.begin":
      return uploadOf(random)
    case "models.create":
      return { name, kind: "base", files: world.modelFiles }
    case "models.moveChannel":
      return { version: 1 }
    case "runs.create":
      return { promotion: "never", waitForIngest: false, config: { epochs: 1, method: random.pick(["dpo", "simpo"]) } }
    case "runner.lease":
      return { runnerId: random.pick(["one", "two"]), adapter: "none", waitMs: random.pick([0, 1, 50, 300]) }
    case "runner.heartbeat":
      return { progress: { step: 1, steps: 10 } }
    case "runner.complete":
      return { result: random.chance(0.8) ? trained(world) : { kind: "evaluate", evaluation: world.digests[0] } }
    case "runner.fail":
      return { error: "the load bench trains nothing", retryable: random.chance(0.5) }
    case "comparisons.retract":
      return { retractions: [{ externalId: `${name}, never sent` }] }
    case "comparisons.replay":
      return random.chance(0.5) ? {} : { ids: world.comparisons.slice(0, 3) }
    case "keys.create":
      return { label: name, scopes: [random.pick(["ingest", "read"])] }
    default:
      return undefined
  }
}
