// Snapshot, scoring, pack and manifest in workerd: how long each takes, and the most that the isolate holds while it is done.
import type { PackPart, ScoreCut, Snapshot, SnapshotPlace } from "#shared/workflows/retrain.ts"
import { repeated, timed } from "./repeated.ts"
import type { PairLength, Steps } from "./steps.ts"

export interface EdgeStage {
  readonly seconds: number
  readonly peakBytes: number
}

/** Of a snapshot, as of workers/orchestrator/retrain/frozen-pairs.ts, which is a worker's. */
const PAIRS_PER_PAGE = 1024
/** Of a stage of many activities so many are looked at, first and last among them; a cut both as the first and as one behind many. */
const LOOKED_AT = 8
/** Of the run's own jobs, as a cut is told them (JOBS_REMEMBERED of score-on-runners.ts). With other runs' it reads up to 256, which is not measured. */
const SHEETS_REMEMBERED = 16
const NO_REFERENCE = "0".repeat(64)

export interface Dataset {
  readonly id: string
  readonly pairs: number
  readonly length: PairLength
}

export interface EdgeResult {
  readonly stages: Readonly<Record<string, EdgeStage>>
  /** The pack's manifest. */
  readonly digest: string
  readonly shards: number
}

const spread = (count: number): number[] => {
  const looked = Math.min(count, LOOKED_AT)
  const numbers = Array.from({ length: looked }, (_, at) => Math.round((at * (count - 1)) / Math.max(1, looked - 1)))
  return [...new Set(numbers)]
}

/** `whole` by the clock, and the parts of it that are looked at in other runs. */
const measure = async <A>(
  { isolate }: Steps,
  whole: () => Promise<A>,
  count: number,
  part: (index: number) => Promise<unknown>,
): Promise<EdgeStage & { readonly value: A }> => {
  const { value, seconds } = await repeated(async () => {
    const run = await timed(whole)
    return { value: run.value, seconds: { whole: run.seconds } }
  })
  const { peakBytes } = await isolate.peakWhile(async () => {
    for (const index of spread(count)) await part(index)
  })
  return { value, seconds: seconds.whole!, peakBytes }
}

const pagesOf = (pairs: number): number[] => Array.from({ length: Math.ceil(pairs / PAIRS_PER_PAGE) }, (_, at) => at)

/** What runners are to score: pairs in jobs, and responses that are in KV. */
const cutAll = async (steps: Steps, { id }: Dataset, snapshot: Snapshot) => {
  let [asked, found] = [0, 0]
  let sheets: readonly string[] = []
  for (let from: SnapshotPlace | null = { page: 0, pairs: 0 }; from !== null; ) {
    const cut: ScoreCut = await steps.cut(id, snapshot, from, sheets)
    asked += cut.job?.pairs ?? 0
    if (cut.job !== undefined) sheets = [...sheets, cut.job.sheet].slice(-SHEETS_REMEMBERED)
    found += cut.counts.fromCache
    from = cut.next
  }
  return { counts: { asked, found }, sheets }
}

const expectCounts = (name: string, found: object, expected: object): void => {
  if (JSON.stringify(found) === JSON.stringify(expected)) return
  throw new Error(`${name} came to ${JSON.stringify(found)}, and ${JSON.stringify(expected)} was expected`)
}

const stageOf = ({ seconds, peakBytes }: EdgeStage): EdgeStage => ({ seconds, peakBytes })

const measureSnapshot = (steps: Steps, { id }: Dataset) => {
  const take = () => steps.snapshot(id)
  return measure(steps, take, 1, take)
}

const measureManifest = (steps: Steps, { id }: Dataset, snapshot: Snapshot, parts: readonly PackPart[]) => {
  const store = () => steps.manifest(id, snapshot, parts)
  return measure(steps, store, 1, store)
}

/** All log-probs are in KV, so that `score` finds each; `cut`, of another reference, makes jobs for runners of all. */
export const measureWhole = async (steps: Steps, dataset: Dataset): Promise<EdgeResult> => {
  const { pairs } = dataset
  const pages = pagesOf(pairs)
  const snapshot = await measureSnapshot(steps, dataset)
  const frozen = snapshot.value
  let sheets: readonly string[] = []
  const cutFor = (of: Snapshot) =>
    measure(
      steps,
      async () => {
        const all = await cutAll(steps, dataset, of)
        sheets = all.sheets
        return all.counts
      },
      pages.length,
      async (page) => {
        // Once as the first cut, which asks for everything, and once as one behind many.
        for (const earlier of [[], sheets]) await steps.cut(dataset.id, of, { page, pairs: 0 }, earlier)
      },
    )
  const score = await cutFor(frozen)
  expectCounts("score", score.value, { asked: 0, found: 2 * pairs })
  const cut = await cutFor({ ...frozen, referenceFingerprint: NO_REFERENCE })
  expectCounts("cut", cut.value, { asked: pairs, found: 0 })
  const packAll = async () => {
    const parts: PackPart[] = []
    for (const page of pages) parts.push(await steps.pack(frozen, page))
    return parts
  }
  const pack = await measure(steps, packAll, pages.length, (page) => steps.pack(frozen, page))
  const manifest = await measureManifest(steps, dataset, frozen, pack.value)
  const stages = { snapshot, score, cut, pack, manifest }
  const { digest, shards = 0 } = manifest.value
  return { stages: Object.fromEntries(Object.entries(stages).map(([name, it]) => [name, stageOf(it)])), digest, shards }
}

/** Snapshot and manifest alone: the shards between them are of made-up rows. */
export const measureLists = async (steps: Steps, dataset: Dataset): Promise<EdgeResult> => {
  const snapshot = await measureSnapshot(steps, dataset)
  const parts: PackPart[] = []
  for (const page of pagesOf(dataset.pairs)) parts.push(await steps.shard(snapshot.value, page, dataset.length))
  const manifest = await measureManifest(steps, dataset, snapshot.value, parts)
  const { digest, shards = 0 } = manifest.value
  return { stages: { snapshot: stageOf(snapshot), manifest: stageOf(manifest) }, digest, shards }
}
