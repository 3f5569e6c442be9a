// A Python with PyTorch: the one that YOHAKU_PYTHON names, the one in the peers' folder, the system's own, or one installed there.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import path from "node:path"
import { peersFolder } from "./cache-folder.ts"
import { CannotRun } from "./cannot-run.ts"

const venv = () => path.join(peersFolder(), "torch")
const venvPython = () => path.join(venv(), process.platform === "win32" ? "Scripts/python.exe" : "bin/python")

function imports(python: string, ...modules: readonly string[]): boolean {
  return spawnSync(python, ["-c", `import ${modules.join(", ")}`], { stdio: "ignore", timeout: 120_000 }).status === 0
}

function candidates(): string[] {
  const given = process.env.YOHAKU_PYTHON
  if (given) return [given]
  return [...(existsSync(venvPython()) ? [venvPython()] : []), "python3"]
}

/** The first Python with torch and numpy that is there already. */
export function findTorch(): string | undefined {
  return candidates().find((python) => imports(python, "torch", "numpy"))
}

/** The same, installed by pip where there is none. Errors: CannotRun. */
export function ensureTorch(): string {
  const found = findTorch()
  if (found) return found
  if (process.env.YOHAKU_PYTHON) throw new CannotRun(`${process.env.YOHAKU_PYTHON} has no torch and numpy`)
  console.error(`installing torch into ${venv()} (minutes, once)`)
  const steps = [
    ["python3", "-m", "venv", venv()],
    [venvPython(), "-m", "pip", "install", "--quiet", "torch", "numpy"],
  ]
  for (const [command, ...rest] of steps) {
    const { status, stderr } = spawnSync(command!, rest, { encoding: "utf8" })
    if (status !== 0)
      throw new CannotRun(`no PyTorch: ${stderr?.trim().split("\n").at(-1) ?? `${command} is not here`}`)
  }
  return venvPython()
}

/** A second PyTorch beside the first: a distribution's own is linked with another BLAS (Debian: OpenBLAS). Errors: CannotRun. */
export function systemTorch(): string {
  const python = "/usr/bin/python3"
  if (python !== ensureTorch() && existsSync(python) && imports(python, "torch", "numpy")) return python
  throw new CannotRun(`${python} has no torch of its own (Debian: python3-torch libopenblas0-pthread)`)
}

/** Whether that Python's torch sees a CUDA device. */
export function hasCuda(python: string): boolean {
  const check = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"
  return spawnSync(python, ["-c", check], { stdio: "ignore", timeout: 120_000 }).status === 0
}
