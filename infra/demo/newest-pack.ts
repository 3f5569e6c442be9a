// The pack of the demo's last run, as its runner fetched it.
import { existsSync, readdirSync, statSync } from "node:fs"
import path from "node:path"
import { openPackFiles } from "#gpu-runner/data/rows/pack-files.ts"

/** The manifest of the newest pack among the blobs of a state directory's runner; its shards lie beside it. */
export const newestPack = (stateDirectory: string): string => {
  const folder = path.join(stateDirectory, "runner", "blobs")
  const files = existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : []
  const byAge = files.sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs)
  for (const file of byAge) {
    try {
      openPackFiles(file)
      return file
    } catch {
      // Another kind of blob.
    }
  }
  throw new Error(`there is no pack in ${folder}; run npm start -- --once first`)
}
