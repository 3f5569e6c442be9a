// Installs node_modules when it is missing or older than the lock file. Prints to stderr only: stdout belongs to the command.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"

const lockDigest = (root) =>
  createHash("sha256")
    .update(readFileSync(path.join(root, "package.json")))
    .update(readFileSync(path.join(root, "package-lock.json")))
    .digest("hex")

/** The Node that package.json pins, which `npm install` puts into node_modules. */
export const projectNode = (root) =>
  path.join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node")

/**
 * `npm install --no-save` and not `npm ci`: a lock file written on one platform may lack another platform's optional
 * binaries, which `npm ci` refuses and this fills in, leaving the lock file as it is.
 */
export const ensureDependencies = (root) => {
  const stamp = path.join(root, "node_modules", ".yohaku-lock-digest")
  const wanted = lockDigest(root)
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && existsSync(projectNode(root))) return
  console.error("yohaku: installing dependencies (about half a minute, once)")
  const install = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  })
  if (install.status !== 0 || !existsSync(projectNode(root))) {
    console.error(
      "yohaku: npm install failed. Its message is above; with network access to an npm registry, run: npm install --no-save",
    )
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}
