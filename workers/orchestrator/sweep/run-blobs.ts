// The blobs that a run named in its detail: snapshot with its pages, pack with its shards, files of the adapter or the model, answers and what
// was said of them. What is gone names nothing.
import { isDigest } from "#shared/domain/Files.ts"
import type { ModelEvaluation } from "#shared/domain/ModelEvaluation.ts"
import type { ComparedAnswers } from "#shared/domain/WinRate.ts"
import { findBlob } from "#shared/wire/blobs.ts"
import type { Environment } from "../Environment.ts"

interface Named {
  readonly snapshot: string | null
  readonly pack: string | null
  readonly adapter: string | null
  readonly answers: string | null
}

/** Columns of `runs` that `blobsOf` reads. */
export const NAMED_COLUMNS = `json_extract(detail, '$.snapshot.digest') AS snapshot, json_extract(detail, '$.pack.digest') AS pack,
  coalesce(json_extract(detail, '$.train.adapter'), json_extract(detail, '$.train.model')) AS adapter,
  json_extract(detail, '$.evaluate.answers') AS answers`

export type RunNames = Named

/** What a blob of JSON holds; nothing where there is none, or it is no JSON. */
const readJson = async (bucket: R2Bucket, digest: string): Promise<Readonly<Record<string, unknown>>> => {
  const blob = await findBlob(bucket, digest)
  if (blob.kind !== "whole") return {}
  try {
    return JSON.parse(new TextDecoder().decode(blob.bytes))
  } catch {
    return {}
  }
}

/** A list of digests, or of objects that have one. */
const digestsIn = (value: unknown): string[] =>
  (Array.isArray(value) ? value : []).map((each) => each?.digest ?? each).filter(isDigest)

/** The blob with those that it names, where it is a manifest or a snapshot. */
const withNamed = async (bucket: R2Bucket, digest: string): Promise<readonly string[]> => {
  const { shards, pages } = await readJson(bucket, digest)
  return [...digestsIn(shards), ...digestsIn(pages), digest]
}

/** What it was trained on. */
const trainedOn = async ({ BLOBS }: Pick<Environment, "BLOBS">, run: Named): Promise<readonly string[]> =>
  (await Promise.all([run.pack, run.snapshot].filter(isDigest).map((digest) => withNamed(BLOBS, digest)))).flat()

/**
 * All that holds the texts of a run as tokens: what it was trained on, and what else its steps stored: packs for runners that score, and a pack
 * that was never finished. Nothing else is opened: a base model's tokenizer alone would fill half of this isolate.
 */
export const textsOf = async (
  env: Pick<Environment, "BLOBS" | "WORKFLOW_RUN">,
  run: Named & { readonly id: string },
): Promise<readonly string[]> => {
  const { lists, leaves } = await env.WORKFLOW_RUN.getByName(run.id).storedBlobs()
  const found = new Set([...(await trainedOn(env, run)), ...leaves])
  for (const list of lists) if (!found.has(list)) for (const each of await withNamed(env.BLOBS, list)) found.add(each)
  return [...found]
}

/** What the judging of answers left. */
const blobsOfAnswers = ({ prompts, responses, scores, report }: Partial<ComparedAnswers>): string[] =>
  [prompts, ...Object.values(responses ?? {}), scores, report].filter(isDigest)

/** The suite, answers, scores and report. */
export const blobsOfEvaluation = ({ prompts, detail: { generate, judge } }: ModelEvaluation): readonly string[] =>
  blobsOfAnswers({ prompts, ...generate, ...(judge && { scores: judge.scores, report: judge.report }) })

/** All of them. */
export const blobsOf = async (env: Pick<Environment, "BLOBS">, run: Named): Promise<readonly string[]> => {
  const adapter = run.adapter === null ? [] : Object.values(JSON.parse(run.adapter)).filter(isDigest)
  const answers = run.answers === null ? [] : blobsOfAnswers(JSON.parse(run.answers))
  return [...(await trainedOn(env, run)), ...adapter, ...answers]
}
