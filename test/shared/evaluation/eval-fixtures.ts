// Public judgements with published scores, whose licences do not let us give them on: a folder beside the repository, named by the environment.
import { existsSync } from "node:fs"
import path from "node:path"

const named = process.env.YOHAKU_EVAL_FIXTURES

/** The folder with `public` and `shared`; a test that needs it is skipped where it is not there, and says the name. Throws where it is named and missing. */
export const evalFixtures = {
  folder: named ?? "",
  isThere: named !== undefined && named !== "",
  name: named ? path.basename(named) : "YOHAKU_EVAL_FIXTURES names no folder",
} as const

if (evalFixtures.isThere && !existsSync(path.join(evalFixtures.folder, "public"))) {
  throw new Error(`YOHAKU_EVAL_FIXTURES ${evalFixtures.folder} has no folder "public"; name the folder above it`)
}
