// A job's pack on this machine: the manifest and every shard that it names, fetched where they are not there yet, one beside the other.
import path from "node:path"
import { Effect } from "effect"
import { CallRefused, whenReachable } from "#gpu-runner/client/call-failure.ts"
import { openPackFiles } from "#gpu-runner/data/rows/pack-files.ts"
import { missingShard } from "#shared/wire/pack-manifest.ts"
import { cachedBlob } from "./blob-cache.ts"
import { attempt, JobFailed } from "./job-failure.ts"

/** Shards that are fetched at a time. */
const FETCHED_AT_ONCE = 4

/** The file of the manifest. Fails with JobFailed where a shard is in no store, with what the gateway says else. */
export const cachedPack = Effect.fn("cachedPack")(function* (directory: string, digest: string) {
  const manifestFile = yield* whenReachable(cachedBlob(directory, digest, "the pack's manifest"))
  const { manifest } = yield* attempt(async () => openPackFiles(manifestFile))
  yield* Effect.forEach(
    manifest.shards,
    (shard, index) =>
      whenReachable(cachedBlob(directory, shard.digest, `shard ${index + 1} of ${manifest.shards.length}`)).pipe(
        Effect.mapError((failure) =>
          failure instanceof CallRefused && failure.status === 404
            ? new JobFailed(missingShard(manifest, index).message, { retryable: false, cause: failure })
            : failure,
        ),
      ),
    { concurrency: FETCHED_AT_ONCE, discard: true },
  )
  return path.resolve(manifestFile)
})
