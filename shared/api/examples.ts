// What the examples of /openapi.json speak of: one dataset, one run, one endpoint, so that they read as one story.
// `test/workers/gateway/openapi-examples.test.ts` sends the requests as they stand here; what the service names itself (ids of keys,
// endpoints and runs, digests of deliveries) it puts in the place of these.

export const DATASET_ID = "support"
/** A model that runs made. */
export const ADAPTER_NAME = "support-dpo"
export const MODEL_NAME = "my-base"
export const ENDPOINT_ID = "5f0c1d2e3a4b5c6d"
export const EVALUATION_ID = "2f6b0c1d"
export const RUN_ID = "7d9f6a0e1c2b3a495867f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7c6d5e4f"
export const JOB_ID = "job-1"
export const KEY_ID = "0a1b2c3d4e5f"
export const UPLOAD_ID = "6b1e0f4d2c3a59788796a5b4"
export const COMPARISON_ID = "1f2e3d4c5b6a79880f1e2d3c4b5a69788f9e0d1c2b3a49586776859403a2b1c0"
export const AT_MS = 1_795_858_200_000

export const METRICS = '{"step":1,"loss":0.69}\n{"step":2,"loss":0.64}\n'

/** What a runner keeps of a job is its own affair. */
export const KEPT = '{"voice":0,"id":"refund","responses":[]}\n'

/** Texts with their SHA-256, for uploads by digest. */
export const ARTEFACT = { text: "adapter", digest: "ae1eae1d76e5b7c865c4122ce366a08025842566d2d96c75cc13e6353a73db0d" }
export const DELIVERY_DIGEST = "04adf1c4fb7c0360095e87648cfbc3c3326c03782161616705402f5064e2dcea"

/** Of files whose contents are `content of <name>`. */
export const BASE_FILES = {
  "config.json": "5c5e4e34186b39aefbb453c12d4e90f311ccefaca102765d6019d1d20421ff54",
  "model.safetensors": "a0b143d13c1a231588ded137482a4a584f20ebcfd1b980e0f50043ec3e938332",
  "model.onnx": "a7b69ab60052f2596b0878acbb5a26a6621bb1b3c57ef04bb789c452a44706df",
  "tokenizer.json": "114cd5d77600f7daafc3e1e1653f4415962b93c9d724739eff21f0e2f9ac3ef4",
  "tokenizer_config.json": "ee204a524a0ecc2bd99c3fe29535fa6c0601774df23bb2f1887ff72737829708",
}

/** Log-probs of a pair whose responses have one token each, which is certain. */
export const SCORES = "\u0001\0\0\0\0\0\0\0".repeat(2)

export const DATASET = {
  id: DATASET_ID,
  referenceModel: { name: MODEL_NAME, version: 1 },
  reference: {
    place: "edge" as const,
    why: "ONNX Runtime needs 19.4 MiB for 4.6 MiB of f32 weights and rows of 256 tokens, of 96.0 MiB; it scored a known sequence",
    precision: "stored" as const,
  },
  maxLength: 256,
  splitVotes: "majority",
  retrainThreshold: 500,
  retrainConfig: { loraRank: 8, learningRate: 0.001 },
  createdAt: AT_MS,
}

export const ENDPOINT = {
  id: ENDPOINT_ID,
  datasetId: DATASET_ID,
  source: "label-studio",
  mapping: { prompt: "prompt", responses: ["answer1", "answer2"] },
  createdAt: AT_MS,
}

export const MADE_ENDPOINT = {
  ...ENDPOINT,
  path: `/v1/webhooks/label-studio/${ENDPOINT_ID}`,
  secret: "tea-and-coffee-and-water",
}

export const COMPARISON = {
  externalId: "ticket-42",
  annotator: "hana",
  task: "refunds",
  labelledAt: "2026-11-24T09:30:00Z",
  prompt: "Where is my parcel?",
  candidates: [
    { id: "a", response: "It left our house today." },
    { id: "b", response: "No idea." },
  ],
  judgement: { kind: "choice", winner: "a" },
}

export const RUN = {
  id: RUN_ID,
  datasetId: DATASET_ID,
  trigger: "api",
  method: "alpha-dpo",
  status: "running",
  step: "train",
  detail: { snapshot: { digest: COMPARISON_ID, trainPairs: 412, heldOutPairs: 131, splitRule: 2 } },
  progress: { step: 30, steps: 100 },
  createdAt: AT_MS,
  updatedAt: AT_MS + 60_000,
}

export const CHANNEL = { name: MODEL_NAME, channel: "production", version: 2, previousVersion: 1, movedAt: AT_MS }

export const WATCH = {
  against: { name: MODEL_NAME, version: 1 },
  ...{ evaluations: 2, prompts: 180, evidence: { better: 0.031, worse: 41.7 } },
  ...({ says: "worse", since: EVALUATION_ID } as const),
}

export const MODEL = {
  name: MODEL_NAME,
  version: 1,
  kind: "base",
  digest: COMPARISON_ID,
  files: BASE_FILES,
  metrics: {},
  createdAt: AT_MS,
}

const TIED = { wins: 61, losses: 24, ties: 5, rate: 0.7056, low: 0.6044, high: 0.7899 }

export const EVALUATION = {
  id: EVALUATION_ID,
  model: { name: ADAPTER_NAME, version: 2 },
  against: [{ name: MODEL_NAME, version: 1 }],
  prompts: ARTEFACT.digest,
  judge: { model: { name: ADAPTER_NAME, version: 1 }, reward: "log-ratio", beta: 0.1 },
  answering: { count: 1, seed: 0, temperature: 0, maxTokens: 128 },
  status: "succeeded",
  step: "done",
  detail: {
    generate: { responses: { [`${ADAPTER_NAME}@2`]: COMPARISON_ID, [`${MODEL_NAME}@1`]: ARTEFACT.digest } },
    judge: {
      scores: COMPARISON_ID,
      report: COMPARISON_ID,
      prompts: 90,
      winRates: [
        {
          against: { name: MODEL_NAME, version: 1 },
          ...TIED,
          preference: { mean: 0.6612, standardError: 0.0287, low: 0.6042, high: 0.7182 },
          lengthControlled: { rate: 0.6433, low: 0.5718, high: 0.7107 },
          meanLength: { candidate: 212.4, against: 187.9 },
          notJudged: 0,
          evidence: { better: 38.2, worse: 0.0114 },
          groups: [
            { key: "language", value: "ja", wins: 20, losses: 9, ties: 1, rate: 0.6833, low: 0.5052, high: 0.8207 },
          ],
        },
      ],
    },
  },
  createdAt: AT_MS,
  updatedAt: AT_MS + 60_000,
}

export const LABEL_STUDIO_EVENT = {
  action: "ANNOTATION_CREATED",
  annotation: {
    id: 17,
    result: [{ id: "w1", type: "pairwise", from_name: "pw", to_name: "answer1,answer2", value: { selected: "left" } }],
    was_cancelled: false,
    completed_by: 3,
    task: 19,
    updated_at: "2026-11-24T10:00:00.000000Z",
  },
  task: { id: 19, data: { prompt: "Why is tea hot?", answer1: "The water was heated.", answer2: "It is not." } },
  project: { id: 2, title: "tea" },
}

const ranked = (value: string, rank: number) => ({ value, rank })

export const ARGILLA_EVENT = {
  type: "response.created",
  version: 1,
  timestamp: "2026-11-24T10:00:00.123456Z",
  data: {
    id: "6c1e",
    status: "submitted",
    values: { preference: { value: [ranked("response_a", 1), ranked("response_b", 2)] } },
    record: {
      id: "77aa",
      status: "pending",
      fields: { prompt: "Why is tea hot?", response_a: "The water was heated.", response_b: "It is not." },
      dataset: { id: "d", name: "tea", questions: [{ name: "preference", settings: { type: "ranking" } }] },
    },
    user: { id: "u1", username: "hana", role: "annotator" },
    updated_at: "2026-11-24T10:00:00.123456",
  },
}

export const RETRAIN_EVENT = { type: "retrain", data: { promotion: "never" } }
