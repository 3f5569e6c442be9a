// What the real wrangler makes of a new database, and whether it goes on from there.
import { execFileSync } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { expect, it } from "vitest"
import { migrate } from "#infra/local/migration.ts"
import { ProcessTable } from "#infra/local/processes.ts"
import { persistDirectory, wrangler, wranglerEnvironment } from "#infra/local/wrangler.ts"
import { isFullRun } from "#test/full-run.ts"

const root = path.resolve(import.meta.dirname, "../..")

it.runIf(isFullRun)(
  "wrangler finds nothing to apply to a database that was made of one file",
  { timeout: 60_000 },
  async () => {
    const stateDirectory = mkdtempSync(path.join(tmpdir(), "yohaku-migrations-"))
    await migrate(new ProcessTable(stateDirectory), { root, stateDirectory, say: () => {} })
    const listing = ["d1", "migrations", "list", "yohaku", "--local", "--persist-to", persistDirectory(stateDirectory)]
    expect(
      execFileSync(wrangler(root), listing, { cwd: root, env: wranglerEnvironment(), encoding: "utf8" }),
    ).toContain("No migrations to apply")
  },
)
