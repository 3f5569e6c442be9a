// Brings the local D1 database to the newest migration. wrangler takes seconds to find nothing to do, so what was done is noted, with
// the database that it was done to. wrangler is a process of the table: a start that is killed meanwhile leaves none that holds the database.
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import type { ProcessTable } from "./processes.ts"
import { writeStateFile } from "./state-file.ts"
import { logEnd, persistDirectory, wrangler, wranglerEnvironment } from "./wrangler.ts"

export interface MigrationOptions {
  readonly root: string
  readonly stateDirectory: string
  readonly say: (line: string) => void
}

const migrationsDigest = (root: string): string => {
  const folder = path.join(root, "infra/migrations")
  const hash = createHash("sha256")
  for (const name of readdirSync(folder).toSorted())
    hash.update(`${name}\n`).update(readFileSync(path.join(folder, name)))
  return hash.digest("hex")
}

/** The D1 databases that are there, a line each. One that was made again in another's place is another. */
const databasesOf = (stateDirectory: string): readonly string[] => {
  const folder = path.join(persistDirectory(stateDirectory), "v3/d1/miniflare-D1DatabaseObject")
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    .toSorted()
    .map((name) => `${name} ${statSync(path.join(folder, name)).ino}`)
}

/** Rejects with the end of wrangler's log. Throws `StateUnusable`. */
export const migrate = async (table: ProcessTable, { root, stateDirectory, say }: MigrationOptions): Promise<void> => {
  const note = path.join(persistDirectory(stateDirectory), "migrated")
  const noteNow = () => [migrationsDigest(root), ...databasesOf(stateDirectory)].join("\n")
  const wasMigrated = existsSync(note)
  const isThere = databasesOf(stateDirectory).length > 0
  if (wasMigrated && isThere && readFileSync(note, "utf8") === noteNow()) return
  if (wasMigrated && !isThere)
    say(
      `the database of ${stateDirectory} is gone: an empty one is made. To have the old one back, end this, restore the folder workers/v3/d1 and start again`,
    )
  const applying = ["d1", "migrations", "apply", "yohaku", "--local", "--persist-to", persistDirectory(stateDirectory)]
  const service = table.start("migration", wrangler(root), applying, wranglerEnvironment(), root)
  const exit = await service.exited
  // What wrangler started may outlive it and hold the database.
  await service.stop()
  if (exit !== "exit code 0") throw new Error(`the database could not be migrated (${exit}):\n${logEnd(service)}`)
  writeStateFile(note, noteNow())
}
