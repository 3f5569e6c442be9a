// torchlette is on GitHub only, and its imports have no file endings: a clone at a fixed commit, bundled by esbuild into one file.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import path from "node:path"
import { peersFolder } from "./cache-folder.ts"
import { CannotRun } from "./cannot-run.ts"
import { ensurePackages, importPackage } from "./npm-packages.ts"

const REPOSITORY = "https://github.com/vinhowe/torchlette"
const COMMIT = "926e025a397b01114faa6c87ea7bf15465e9a922"

const ENTRY = `export { Torchlette, initWebGPU } from "./src/index.ts"
export { crossEntropy } from "./src/nn/index.ts"
`

const folder = () => path.join(peersFolder(), "torchlette")
/** Beside the packages from npm, so that it finds webgpu. */
export const torchletteBundle = (): string => path.join(peersFolder(), "npm", "torchlette.mjs")

function clone(): void {
  if (existsSync(path.join(folder(), "src"))) return
  mkdirSync(folder(), { recursive: true })
  console.error(`cloning torchlette into ${folder()}`)
  const git = (...options: readonly string[]) =>
    spawnSync("git", options, {
      cwd: folder(),
      encoding: "utf8",
      timeout: 120_000,
      env: { ...process.env, GIT_TERMINAL_PROMPT: "0" },
    })
  const isCloned = [
    ["init", "--quiet"],
    ["fetch", "--quiet", "--depth=1", REPOSITORY, COMMIT],
    ["checkout", "--quiet", COMMIT],
  ].every((step) => git(...step).status === 0)
  if (isCloned) return
  throw new CannotRun(`git could not fetch ${REPOSITORY}; put commit ${COMMIT.slice(0, 7)} into ${folder()} by hand`)
}

/** Errors: CannotRun where the repository or esbuild cannot be had. */
export async function ensureTorchlette(): Promise<void> {
  if (existsSync(torchletteBundle())) return
  clone()
  ensurePackages(["esbuild", "webgpu"])
  const { build } = (await importPackage("esbuild")) as { build: (options: object) => Promise<unknown> }
  try {
    await build({
      stdin: { contents: ENTRY, resolveDir: folder(), loader: "ts" },
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["webgpu"],
      logLevel: "silent",
      outfile: torchletteBundle(),
    })
  } catch (error) {
    throw new CannotRun(`esbuild could not bundle torchlette: ${String(error).split("\n")[0]}`)
  }
}
