// Writes what is derived from the methods' files: their registry first, since the tables of the documentation are asked of it.
// Part of `npm run format`; tests hold that nothing is left to write.
import { writeFileSync } from "node:fs"
import { REGISTRY_FILE, registryText } from "./method-registry.ts"

writeFileSync(REGISTRY_FILE, registryText())
const { derivedPages } = await import("./derived-pages.ts")
for (const { file, current, derived } of derivedPages()) if (derived !== current) writeFileSync(file, derived)
