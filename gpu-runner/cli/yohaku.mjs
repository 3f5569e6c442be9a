#!/usr/bin/env node
// Starts the command line on the Node that this project needs. Plain JavaScript, because it may run on any Node from 20 on;
// TypeScript files need Node 24, which `npm install` puts into node_modules.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as nodeModule from "node:module"
import { constants, tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"

const NEEDED_NODE = 24
const here = path.dirname(fileURLToPath(import.meta.url))
const main = path.join(here, "main.ts")

// Mesa's software Vulkan device does not open without it.
if (process.platform === "linux") process.env.XDG_RUNTIME_DIR ??= tmpdir()

if (Number.parseInt(process.versions.node, 10) >= NEEDED_NODE) {
  // Halves the time that loading some 500 modules takes, from the second start on.
  nodeModule.enableCompileCache()
  const { runFromProcess } = await import(main)
  await runFromProcess()
} else {
  const binary = process.platform === "win32" ? "node.exe" : "node"
  const modules = path.resolve(here, "../../node_modules")
  const node = [path.join(modules, "node", "bin", binary), path.join(modules, ".bin", binary)].find(existsSync)
  if (node === undefined) {
    console.error(
      `yohaku: this is Node ${process.versions.node}, and Node ${NEEDED_NODE} is not installed; run npm install in ${path.dirname(modules)}`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" })
  // A terminal sends Ctrl-C to both processes; the child decides what it means.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (signal !== "SIGINT") child.kill(signal)
    })
  }
  child.on("exit", (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
}
