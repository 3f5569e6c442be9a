// What a step of a run stores of its dataset: that is deleted with it. What else its result names is a model's, or may be another dataset's too.
import { expect, it } from "vitest"
import type { Champion, PackPart, ScoreCut, Snapshot, StoredPack, Trained } from "#shared/workflows/retrain.ts"
import { storedBy } from "#workers/orchestrator/retrain/stored-blobs.ts"

const [ONE, TWO, OTHER] = ["1", "2", "f"].map((digit) => digit.repeat(64)) as [string, string, string]
const entry = { digest: ONE, bytes: 1, pairs: 1, heldOut: 0, tokens: 1 }

const snapshot = { digest: ONE, trainPairs: 1, heldOutPairs: 1, referenceFingerprint: OTHER, tokenizerDigest: OTHER }
const cut = {
  job: { pack: ONE, shard: TWO, sheet: OTHER, pairs: 1 },
  counts: { computed: 1, fromCache: 0 },
  next: null,
}
const champion = {
  version: 1,
  compare: { kind: "to-measure", adapter: { "adapter_model.safetensors": OTHER, "adapter_config.json": OTHER } },
}

it.each([
  ["snapshot", snapshot satisfies Snapshot, [ONE], []],
  ["pack", { digest: ONE, bytes: 1, tokens: 1, shards: 1 } satisfies StoredPack, [ONE], []],
  ["pack/12", { shards: [entry, { ...entry, digest: TWO }] } as unknown as PackPart, [], [ONE, TWO]],
  ["pack/12/1", { lacking: 3 } satisfies PackPart, [], []],
  ["score/cut/3", cut satisfies ScoreCut, [ONE], [TWO]],
  ["score-again-0-1/cut/0", cut satisfies ScoreCut, [ONE], [TWO]],
  ["score/cut/4", { counts: cut.counts, next: null } satisfies ScoreCut, [], []],
  ["score/0", { computed: 1, fromCache: 0 }, [], []],
  ["train", { adapter: { "adapter_model.safetensors": OTHER }, report: {} } as unknown as Trained, [], []],
  ["champion/0", champion as unknown as Champion, [], []],
  ["evaluate-production-1", { pack: OTHER }, [], []],
  ["train/post", null, [], []],
])("the step %s", (name, result, lists, leaves) => {
  expect(storedBy(name, result)).toEqual({ lists, leaves })
})
