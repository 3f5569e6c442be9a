// The steps of a run in workerd, one request each: test/workers/orchestrator/pairs/pairs-worker.ts, which has the types of workers.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import type { PackPart, ScoreCut, Snapshot, SnapshotPlace, StoredPack } from "#shared/workflows/retrain.ts"
import { type Isolate, openIsolate } from "../load/isolate.ts"
import { root } from "../load/running-system.ts"

/** Of the worker's storeBase. */
export interface Base {
  readonly files: Readonly<Record<string, string>>
  readonly fingerprint: string
  readonly chatTemplate: string
  /** Above every id of the pairs. */
  readonly vocabularySize: number
}

/** Mean tokens. */
export interface PairLength {
  readonly prompt: number
  readonly response: number
}

export interface Steps {
  readonly isolate: Isolate
  readonly base: Base
  /** A dataset of so many pairs; with `hasRecords` their log-probs are in KV. */
  readonly fill: (datasetId: string, pairs: number, length: PairLength, hasRecords: boolean) => Promise<void>
  readonly snapshot: (datasetId: string) => Promise<Snapshot>
  /** `sheets` are those of the jobs before. */
  readonly cut: (
    datasetId: string,
    snapshot: Snapshot,
    from: SnapshotPlace,
    sheets: readonly string[],
  ) => Promise<ScoreCut>
  readonly pack: (snapshot: Snapshot, page: number) => Promise<PackPart>
  /** The page as a shard of made-up rows. */
  readonly shard: (snapshot: Snapshot, page: number, length: PairLength) => Promise<PackPart>
  readonly manifest: (datasetId: string, snapshot: Snapshot, parts: readonly PackPart[]) => Promise<StoredPack>
}

const PAIRS_PER_REQUEST = 2000

/** Starts the worker over empty stores. */
export const openSteps = async (): Promise<Steps> => {
  const isolate = await openIsolate("test/workers/orchestrator/pairs/pairs-worker.ts", {
    d1Databases: ["DB"],
    kvNamespaces: ["REFERENCES"],
  })
  const { ask } = isolate
  const folder = path.join(root, "infra/migrations")
  const names = readdirSync(folder).sort()
  const migrations = names.map((name) => readFileSync(path.join(folder, name), "utf8"))
  const base = await ask<Base>({ step: "open", migrations })
  return {
    ...{ isolate, base },
    fill: async (datasetId, pairs, length, hasRecords) => {
      await ask({ step: "dataset", datasetId })
      const records = hasRecords ? { fingerprint: base.fingerprint } : {}
      for (let from = 0; from < pairs; from += PAIRS_PER_REQUEST) {
        const count = Math.min(PAIRS_PER_REQUEST, pairs - from)
        await ask({ step: "fill", filling: { datasetId, from, count, length, ...records } })
      }
    },
    snapshot: (datasetId) => ask({ step: "snapshot", datasetId, files: base.files }),
    cut: (datasetId, snapshot, from, sheets) => ask({ step: "cut", datasetId, snapshot, from, sheets }),
    pack: (snapshot, page) => ask({ step: "pack", snapshot, page }),
    shard: (snapshot, page, length) => ask({ step: "shard", snapshot, page, length }),
    manifest: (datasetId, snapshot, parts) => ask({ step: "manifest", datasetId, snapshot, parts }),
  }
}
