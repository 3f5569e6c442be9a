// The documentation's pages as they should be: their text, with the tables that follow from the code.
import { readFileSync } from "node:fs"
import path from "node:path"
import { gateTables } from "./gate-tables.ts"
import { withSection } from "./markdown-table.ts"
import { methodTables } from "./method-tables.ts"

const DOCS = path.resolve(import.meta.dirname, "../../docs")

/** Every page with a table of ours, as it is and as it should be. */
export function derivedPages() {
  return Object.entries({ ...methodTables(), ...gateTables() }).map(([name, tables]) => {
    const file = path.join(DOCS, name)
    const current = readFileSync(file, "utf8")
    const derived = Object.entries(tables).reduce((page, [table, text]) => withSection(page, table, text), current)
    return { name, file, current, derived }
  })
}
