// Whether what a runner completes a job with is a result of that job: of its kind, whole, and with every blob that it names.
import { Schema } from "effect"
import { faultOfMade, filesOfMade, JobResult, type JobSpec } from "#shared/wire/job.ts"
import { missingBlobs } from "../retrain/blobs.ts"

/** Of a result's JSON: it goes into a row of the read model. */
const MAX_RESULT_CHARACTERS = 256 * 1024

const decodeResult = Schema.decodeUnknownResult(JobResult, { onExcessProperty: "error" })

const blobsOf = (result: JobResult): string[] => {
  switch (result.kind) {
    case "score":
      return []
    case "train":
      return Object.values(filesOfMade(result))
    case "evaluate":
      return [result.evaluation]
    case "generate":
      return Object.values(result.responses)
    case "judge":
      return [result.scores]
    case "ask":
      return [result.verdicts]
  }
}

/** What is wrong with a result, and the mend; undefined where nothing is. `scored`: pairs of a score job whose log-probs are stored. */
export const faultOfResult = async (
  bucket: R2Bucket,
  spec: JobSpec,
  scored: number,
  input: unknown,
): Promise<string | undefined> => {
  const decoded = decodeResult(input)
  if (decoded._tag === "Failure") return `the result cannot be read: ${decoded.failure.message}`
  const result = decoded.success
  if (result.kind !== spec.kind) return `the job is to ${spec.kind} and the result is of kind ${result.kind}`
  const pairs = spec.kind === "score" ? spec.pairs : 0
  if (scored < pairs)
    return `the log-probs of ${scored} of ${pairs} pairs came; hand in the others, then complete again`
  const characters = JSON.stringify(result).length
  if (characters > MAX_RESULT_CHARACTERS)
    return `the result is ${characters} characters of JSON, at most ${MAX_RESULT_CHARACTERS} are taken; shorten the report`
  const lacking = result.kind === "train" && spec.kind === "train" ? faultOfMade(result, spec.config) : undefined
  if (lacking !== undefined) return `${lacking}; upload and name what training makes, then complete again`
  const missing = await missingBlobs(bucket, blobsOf(result))
  return missing.length === 0 ? undefined : `blob ${missing[0]} was not uploaded; upload it, then complete again`
}
