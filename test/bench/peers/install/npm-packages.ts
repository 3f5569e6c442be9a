// Peers from npm, at fixed versions, in a folder of their own.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { pathToFileURL } from "node:url"
import { peersFolder } from "./cache-folder.ts"
import { CannotRun } from "./cannot-run.ts"

const VERSIONS: Readonly<Record<string, string>> = {
  "@jax-js/jax": "0.1.25",
  "@tensorflow/tfjs-core": "4.22.0",
  "@tensorflow/tfjs-backend-webgpu": "4.22.0",
  "@tensorflow/tfjs-backend-wasm": "4.22.0",
  // For torchlette: bundles it, and what it runs on, as this project does.
  esbuild: "0.25.9",
  webgpu: "0.6.2",
}

const folder = () => path.join(peersFolder(), "npm")

function isInstalled(name: string): boolean {
  return existsSync(path.join(folder(), "node_modules", name, "package.json"))
}

/** Installs the packages that are missing. Errors: CannotRun, with npm's own last line. */
export function ensurePackages(names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name))
  if (missing.length === 0) return
  mkdirSync(folder(), { recursive: true })
  const manifest = path.join(folder(), "package.json")
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true, "type": "module" }\n')
  console.error(`installing ${missing.join(", ")} into ${folder()}`)
  const wanted = missing.map((name) => `${name}@${VERSIONS[name]!}`)
  const { status, stderr } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...wanted], {
    cwd: folder(),
    encoding: "utf8",
    shell: process.platform === "win32",
  })
  if (status !== 0) throw new CannotRun(`npm install failed: ${stderr?.trim().split("\n")[0] ?? "npm is not here"}`)
}

/** A file of an installed peer. */
export function packageFile(name: string, file: string): string {
  return path.join(folder(), "node_modules", name, file)
}

/** Imports an installed peer; its types are its caller's to state. */
export async function importPackage(name: string): Promise<unknown> {
  const entry = createRequire(path.join(folder(), "package.json")).resolve(name)
  return import(pathToFileURL(entry).href)
}
