// Brings the local D1 database to the newest migration. wrangler takes seconds to find nothing to do, so what was done is noted, with
// the database that it was done to; and it starts a runtime for every migration, so a new database gets all of them as one file.
// wrangler is a process of the table: a start that is killed meanwhile leaves none that holds the database.
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import path from "node:path"
import type { ProcessTable } from "./processes.ts"
import { writeStateFile } from "./state-file.ts"
import { logEnd, persistDirectory, wrangler, wranglerEnvironment } from "./wrangler.ts"

export interface MigrationOptions {
  readonly root: string
  readonly stateDirectory: string
  readonly say: (line: string) => void
}

interface Migration {
  readonly name: string
  readonly sql: string
}

const migrationsOf = (root: string): readonly Migration[] => {
  const folder = path.join(root, "infra/migrations")
  return readdirSync(folder)
    .toSorted()
    .map((name) => ({ name, sql: readFileSync(path.join(folder, name), "utf8") }))
}

const digestOf = (migrations: readonly Migration[]): string => {
  const hash = createHash("sha256")
  for (const { name, sql } of migrations) hash.update(`${name}\n`).update(sql)
  return hash.digest("hex")
}

/** The table in which wrangler keeps what was applied, and goes on from. */
const APPLIED = `CREATE TABLE d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);`

/** All of them, and that they were applied. wrangler makes one transaction of a file: a kill leaves an empty database. */
const asOneFile = (migrations: readonly Migration[]): string =>
  [APPLIED, ...migrations.map(({ name, sql }) => `${sql}\nINSERT INTO d1_migrations (name) VALUES ('${name}');`)].join(
    "\n",
  )

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
  const migrations = migrationsOf(root)
  const noteNow = () => [digestOf(migrations), ...databasesOf(stateDirectory)].join("\n")
  const wasMigrated = existsSync(note)
  const isThere = databasesOf(stateDirectory).length > 0
  if (wasMigrated && isThere && readFileSync(note, "utf8") === noteNow()) return
  if (wasMigrated && !isThere)
    say(
      `the database of ${stateDirectory} is gone: an empty one is made. To have the old one back, end this, restore the folder workers/v3/d1 and start again`,
    )
  const file = path.join(persistDirectory(stateDirectory), "migrations.sql")
  if (!isThere) writeStateFile(file, asOneFile(migrations))
  const how = isThere ? ["migrations", "apply", "yohaku"] : ["execute", "yohaku", "--file", file]
  const applying = ["d1", ...how, "--local", "--persist-to", persistDirectory(stateDirectory)]
  const service = table.start("migration", wrangler(root), applying, wranglerEnvironment(), root)
  const exit = await service.exited
  // What wrangler started may outlive it and hold the database.
  await service.stop()
  rmSync(file, { force: true })
  if (exit !== "exit code 0") throw new Error(`the database could not be migrated (${exit}):\n${logEnd(service)}`)
  writeStateFile(note, noteNow())
}
