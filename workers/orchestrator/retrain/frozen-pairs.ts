// What a snapshot holds: the sorted ids of a dataset's ready pairs by split, page by page, so that no query and no memory grows with them.
// The digests of the pages name what a run is trained on.
import { canonicalJson, sha256Hex } from "#shared/formats/digest.ts"
import type { SnapshotPage } from "#shared/workflows/retrain.ts"

/** Of a snapshot, and so of what one step reads, scores or packs. */
export const PAIRS_PER_PAGE = 1024
/** D1 answers a thousand queries an event: five million pairs, more than its 10 GB hold. */
const PAGES_PER_QUERY = 5

interface PairId {
  readonly id: string
  readonly split: string
}

export interface FrozenPage {
  readonly page: SnapshotPage
  /** Its canonical JSON. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly digest: string
}

const frozenPage = async (pairs: readonly PairId[]): Promise<FrozenPage> => {
  const idsOf = (split: string) => pairs.filter((pair) => pair.split === split).map(({ id }) => id)
  const page = { train: idsOf("train"), heldOut: idsOf("held-out") }
  const bytes = new TextEncoder().encode(canonicalJson(page)) as Uint8Array<ArrayBuffer>
  return { page, bytes, digest: await sha256Hex(bytes) }
}

/** All ready pairs of a dataset as they are now, in the order of their ids. */
export async function* frozenPages(db: D1Database, datasetId: string): AsyncGenerator<FrozenPage> {
  const most = PAGES_PER_QUERY * PAIRS_PER_PAGE
  for (let last = ""; ; ) {
    const { results } = await db
      .prepare("SELECT id, split FROM pairs WHERE dataset_id = ? AND status = 'ready' AND id > ? ORDER BY id LIMIT ?")
      .bind(datasetId, last, most)
      .all<PairId>()
    for (let at = 0; at < results.length; at += PAIRS_PER_PAGE)
      yield await frozenPage(results.slice(at, at + PAIRS_PER_PAGE))
    if (results.length < most) return
    last = results.at(-1)!.id
  }
}
