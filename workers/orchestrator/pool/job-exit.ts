// How a job ended, as its workflow waits for it, and that those of others did.
import { Exit } from "effect"
import type { JobFailed } from "#shared/workflows/retrain.ts"
import { exitToText } from "../engine/Journal.ts"
import type { Job } from "./JobStore.ts"

/** However they ended. */
export const NOTHING_MORE = exitToText(Exit.succeed(null), "a wait for jobs")

/** The text of its exit. */
export const exitOf = ({ name, result, error }: Job): string =>
  result === null
    ? exitToText(
        Exit.fail({ _tag: "JobFailed", message: `${name}: ${error}` } satisfies typeof JobFailed.Encoded),
        name,
      )
    : exitToText(Exit.succeed(JSON.parse(result)), name)
