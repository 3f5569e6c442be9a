// The work settings (`task` of a comparison) of a dataset's held-out pairs. Ids are digests, so the first pages are a fair sample of a large dataset.

const PAGE_PAIRS = 2000
const MOST_PAGES = 20

interface Row {
  readonly id: string
  readonly task: string
}

/** By pair; at most 40 000 pairs, pairs without a setting left out. */
export const settingsOf = async (db: D1Database, datasetId: string): Promise<ReadonlyMap<string, string>> => {
  const found = new Map<string, string>()
  let after = ""
  for (let page = 0; page < MOST_PAGES; page++) {
    const { results } = await db
      .prepare(
        `SELECT id, task FROM pairs
          WHERE dataset_id = ? AND status = 'ready' AND id > ? AND split = 'held-out' AND task IS NOT NULL ORDER BY id LIMIT ?`,
      )
      .bind(datasetId, after, PAGE_PAIRS)
      .all<Row>()
    for (const { id, task } of results) found.set(id, task)
    if (results.length < PAGE_PAIRS) break
    after = results.at(-1)!.id
  }
  return found
}
