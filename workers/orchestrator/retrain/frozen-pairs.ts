// What a snapshot holds: the sorted ids of a dataset's ready pairs by split. One digest of it names what a run is trained on.
import { SPLIT_RULE } from "#shared/wire/pair-identity.ts"
import type { SnapshotContent } from "#shared/workflows/retrain.ts"

const IDS_PER_QUERY = 5000

interface PairId {
  readonly id: string
  readonly split: string
}

/** All ready pairs in the order of their ids, page by page. */
const readPairIds = async (db: D1Database, datasetId: string): Promise<PairId[]> => {
  const found: PairId[] = []
  for (;;) {
    const { results } = await db
      .prepare("SELECT id, split FROM pairs WHERE dataset_id = ? AND status = 'ready' AND id > ? ORDER BY id LIMIT ?")
      .bind(datasetId, found.at(-1)?.id ?? "", IDS_PER_QUERY)
      .all<PairId>()
    found.push(...results)
    if (results.length < IDS_PER_QUERY) return found
  }
}

/** The dataset's ready pairs as they are now. */
export const frozenPairs = async (db: D1Database, datasetId: string): Promise<SnapshotContent> => {
  const pairs = await readPairIds(db, datasetId)
  const idsOf = (split: string) => pairs.filter((pair) => pair.split === split).map(({ id }) => id)
  return { datasetId, splitRule: SPLIT_RULE, train: idsOf("train"), heldOut: idsOf("held-out") }
}
