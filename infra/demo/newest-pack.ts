// The pack of the demo's last run, as its runner fetched it.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import { decodePack } from "#shared/wire/pack.ts"

/** The newest pack among the blobs of a state directory's runner. */
export const newestPack = (stateDirectory: string): Uint8Array => {
  const folder = path.join(stateDirectory, "runner", "blobs")
  const files = existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : []
  const byAge = files.sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs)
  for (const file of byAge) {
    const bytes = new Uint8Array(readFileSync(file))
    try {
      decodePack(bytes)
      return bytes
    } catch {
      // Another kind of blob.
    }
  }
  throw new Error(`there is no pack in ${folder}; run npm start -- --once first`)
}
