// A Python with PyTorch: the one that YOHAKU_PYTHON names, the one in the peers' folder, the system's own, or one installed there.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import path from "node:path"
import { peersFolder } from "./cache-folder.ts"
import { CannotRun } from "./cannot-run.ts"

const venv = () => path.join(peersFolder(), "torch")
const venvPython = () => path.join(venv(), process.platform === "win32" ? "Scripts/python.exe" : "bin/python")

function runs(python: string, program: string): boolean {
  return spawnSync(python, ["-c", program], { stdio: "ignore", timeout: 120_000 }).status === 0
}

/** From torch 2.5 on attention takes grouped queries; its fused norm came a version earlier. */
const NEW_ENOUGH = "import numpy, torch; assert tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 5)"

function candidates(): string[] {
  const given = process.env.YOHAKU_PYTHON
  if (given) return [given]
  return [...(existsSync(venvPython()) ? [venvPython()] : []), "python3"]
}

/** The first Python with numpy and torch ≥ 2.5 that is there already. */
export function findTorch(): string | undefined {
  return candidates().find((python) => runs(python, NEW_ENOUGH))
}

/** The same, installed by pip where there is none. Errors: CannotRun. */
export function ensureTorch(): string {
  const found = findTorch()
  if (found) return found
  if (process.env.YOHAKU_PYTHON) throw new CannotRun(`${process.env.YOHAKU_PYTHON} has no torch ≥ 2.5 and numpy`)
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
  if (python !== ensureTorch() && existsSync(python) && runs(python, "import numpy, torch")) return python
  throw new CannotRun(`${python} has no torch of its own (Debian: python3-torch libopenblas0-pthread)`)
}

/** Whether that Python's torch sees a CUDA device. */
export function hasCuda(python: string): boolean {
  return runs(python, "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)")
}
