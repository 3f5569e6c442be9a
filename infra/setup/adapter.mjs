// Makes sure that Dawn finds a WebGPU adapter. A machine without a GPU driver gets Mesa's software Vulkan (lavapipe),
// installed when that is allowed here, else the one command to type is printed.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { projectNode } from "./dependencies.mjs"

const DEBIAN_SOURCES = "/etc/apt/sources.list.d/debian.sources"
const BACKPORTS_SOURCES = "/etc/apt/sources.list.d/yohaku-backports.sources"
const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"]

const findAdapter = (root) =>
  spawnSync(projectNode(root), [path.join(root, "infra/setup/probe-adapter.mjs")], { cwd: root, encoding: "utf8" })

const osRelease = () => {
  if (!existsSync("/etc/os-release")) return {}
  const entries = readFileSync("/etc/os-release", "utf8").matchAll(/^(\w+)="?(.*?)"?$/gm)
  return Object.fromEntries([...entries].map(([, key, value]) => [key, value]))
}

/** Debian 12's own Mesa (22.3) is too old for Dawn; its backports suite has one that works. */
const needsBackports = (release) => release.ID === "debian" && Number(release.VERSION_ID) <= 12

/** The machine's own Debian entry under the backports suite's name: the same mirror, the same key. */
const backportsEntry = (release) => {
  if (!existsSync(DEBIAN_SOURCES)) return undefined
  const suite = release.VERSION_CODENAME
  const entry = readFileSync(DEBIAN_SOURCES, "utf8")
    .split(/\n\s*\n/)
    .find((paragraph) => new RegExp(`^Suites:.*\\b${suite}\\b(?!-)`, "m").test(paragraph))
  return entry?.replace(/^Suites:.*$/m, `Suites: ${suite}-backports`)
}

const advice = (release) => {
  if (process.platform !== "linux") return "update the graphics driver of this machine"
  const apt = (options) => `sudo apt-get update && sudo apt-get install -y ${options}${PACKAGES.join(" ")}`
  if (needsBackports(release)) {
    return `add the ${release.VERSION_CODENAME}-backports suite to /etc/apt/sources.list.d, then: ${apt(`-t ${release.VERSION_CODENAME}-backports `)}`
  }
  if (existsSync("/usr/bin/apt-get")) return apt("")
  if (existsSync("/usr/bin/dnf")) return "sudo dnf install -y mesa-vulkan-drivers vulkan-loader"
  if (existsSync("/usr/bin/pacman")) return "sudo pacman -S vulkan-swrast vulkan-icd-loader"
  return "install a Vulkan driver and the Vulkan loader (Mesa's lavapipe works without a GPU)"
}

const run = (command, commandArguments) =>
  spawnSync(command, commandArguments, {
    stdio: ["ignore", "ignore", 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  }).status === 0

const install = (release) => {
  const mayInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get") && !process.env.YOHAKU_NO_INSTALL
  if (!mayInstall) return false
  console.error("yohaku: no WebGPU adapter found; installing Mesa's software Vulkan driver (once)")
  const suite = needsBackports(release) ? ["-t", `${release.VERSION_CODENAME}-backports`] : []
  if (suite.length > 0 && !existsSync(BACKPORTS_SOURCES)) {
    const entry = backportsEntry(release)
    if (entry !== undefined) writeFileSync(BACKPORTS_SOURCES, `${entry}\n`)
  }
  return run("apt-get", ["update", "-qq"]) && run("apt-get", ["install", "-y", "-qq", ...suite, ...PACKAGES])
}

/** Exits with one clear line when no adapter can be had. Sets XDG_RUNTIME_DIR, which lavapipe wants, when it is unset. */
export const ensureAdapter = (root) => {
  if (process.platform === "linux" && !process.env.XDG_RUNTIME_DIR) {
    process.env.XDG_RUNTIME_DIR = path.join(tmpdir(), `yohaku-runtime-${process.getuid?.() ?? 0}`)
    mkdirSync(process.env.XDG_RUNTIME_DIR, { recursive: true, mode: 0o700 })
  }
  if (findAdapter(root).status === 0) return
  const release = osRelease()
  if (install(release) && findAdapter(root).status === 0) return
  console.error(`yohaku: no WebGPU adapter on this machine. To mend it: ${advice(release)}`)
  process.exit(1)
}
