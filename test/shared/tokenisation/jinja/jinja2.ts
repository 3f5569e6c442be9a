// Debian's jinja2 as the judge: templates rendered in one batch by test/golden/jinja/render.py.
import { spawnSync } from "node:child_process"
import path from "node:path"
import type { TemplateCase } from "./grammar.ts"

export type Outcome = { readonly text: string } | { readonly error: string }

const SCRIPT = path.join(import.meta.dirname, "../../../golden/jinja/render.py")

/** "jinja2 3.1.2", or undefined where python3 has none. */
export function jinja2Version(): string | undefined {
  const { status, stdout } = spawnSync("python3", ["-c", "import jinja2; print('jinja2', jinja2.__version__)"])
  return status === 0 ? stdout.toString().trim() : undefined
}

/** What jinja2 makes of each case. Numbers reach Python as they are written, JSON.rawJSON included. */
export function renderByJinja2(cases: readonly TemplateCase[]): readonly Outcome[] {
  const { status, stdout, stderr } = spawnSync("python3", [SCRIPT], {
    input: JSON.stringify(cases.map(({ template, variables }) => ({ template, variables }))),
    maxBuffer: 2 ** 30,
    // Sets are printed in the order of their hashes.
    env: { ...process.env, PYTHONHASHSEED: "0" },
  })
  if (status !== 0) throw new Error(`render.py failed: ${stderr}`)
  return JSON.parse(stdout.toString()) as Outcome[]
}
