// Versions of what a result depends on, for reports: this package, Node, and installed packages.
import { readFileSync } from "node:fs"

/** Versions of installed packages by name; where one is not, what to do. */
export function packageVersions(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [name, versionIn(`node_modules/${name}`) ?? "missing: run npm install"]),
  )
}

/** This package, Node, and the library that reaches the GPU. */
export function runtimeVersions(): Record<string, string> {
  return { yohaku: versionIn("") ?? "unknown", node: process.versions.node, ...packageVersions(["webgpu"]) }
}

function versionIn(folder: string): string | undefined {
  try {
    const file = new URL(`../../${folder === "" ? "" : `${folder}/`}package.json`, import.meta.url)
    return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version
  } catch {
    return undefined
  }
}
