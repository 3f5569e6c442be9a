// Runs a script of this project with everything it needs: dependencies, the Node of package.json, a WebGPU adapter.
// Plain JavaScript without dependencies, because it runs first, on whatever Node (≥ 20) the machine has.
// usage: node infra/setup/with-node.mjs [--no-adapter] <script> [arguments]
import { spawn } from "node:child_process"
import { constants } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { ensureAdapter } from "./adapter.mjs"
import { ensureDependencies, projectNode } from "./dependencies.mjs"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..")
const [first, ...rest] = process.argv.slice(2)
const needsAdapter = first !== "--no-adapter"
const [script, ...scriptArguments] = needsAdapter ? [first, ...rest] : rest
if (script === undefined) {
  console.error("usage: node infra/setup/with-node.mjs [--no-adapter] <script> [arguments]")
  process.exit(2)
}

ensureDependencies(root)
if (needsAdapter) ensureAdapter(root)

const child = spawn(projectNode(root), [path.resolve(root, script), ...scriptArguments], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PATH: `${path.join(root, "node_modules/.bin")}${path.delimiter}${process.env.PATH}` },
})
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
child.on("exit", (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
