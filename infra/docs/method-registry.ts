// shared/methods/registry.ts, which lists the methods for runtimes that cannot read a folder: written from the folder's files.
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"

export const METHODS_FOLDER = path.resolve(import.meta.dirname, "../../shared/methods")
export const REGISTRY_FILE = path.join(METHODS_FOLDER, "registry.ts")

const DEFINITION = /^export const (\w+) = define\w*Method\(/m
const LIST = /^export const registry = \[([^\]]*)\] as const$/m

/** The registry's text. Methods keep the order that they have; new ones go to the end. */
export function registryText(): string {
  const files = readdirSync(METHODS_FOLDER).filter((file) => file.endsWith(".ts"))
  const found = files.sort().flatMap((file) => {
    const name = DEFINITION.exec(readFileSync(path.join(METHODS_FOLDER, file), "utf8"))?.[1]
    return name === undefined ? [] : { file, name }
  })
  const known: readonly string[] = LIST.exec(readFileSync(REGISTRY_FILE, "utf8"))?.[1]?.match(/\w+/g) ?? []
  const names = found.map(({ name }) => name)
  const ordered = [...known.filter((name) => names.includes(name)), ...names.filter((name) => !known.includes(name))]
  return [
    "// GENERATED from this folder's files by `npm run format`: every definition, in the order of arrival. A test holds it up to date.",
    ...found.map(({ file, name }) => `import { ${name} } from "./${file}"`),
    "",
    "// biome-ignore format: one line however many there are",
    `export const registry = [${ordered.join(", ")}] as const`,
    "",
  ].join("\n")
}
