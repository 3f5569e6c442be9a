// A disk that takes no more: a whole file stays what it was, and no half of one is left. A limit on a file's size stands for it.
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, expect, test } from "vitest"
import { createWorkspace } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)
const module = fileURLToPath(new URL("../../../gpu-runner/data/files.ts", import.meta.url))

test.skipIf(process.platform === "win32")(
  "a file that cannot be written whole is not replaced, and its beginning is removed",
  () => {
    const file = workspace.write("full/checkpoint", "the one before")
    const source = `import { writeFileAtomically } from ${JSON.stringify(module)}
    try { writeFileAtomically(${JSON.stringify(file)}, new Uint8Array(1e7)) } catch ({ code }) { console.log(code) }`
    const limited = `ulimit -f 64; exec "$0" --input-type=module-typescript -e "$1"`
    const { stdout } = spawnSync("sh", ["-c", limited, process.execPath, source], { encoding: "utf8" })
    expect(stdout.trim()).toBe("EFBIG")
    expect(readdirSync(workspace.at("full"))).toEqual(["checkpoint"])
    expect(readFileSync(file, "utf8")).toBe("the one before")
  },
)
