// PyTorch on the same card, round by round with this engine: bf16 products, and a DPO step as TRL takes it.
import { mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { LAYOUTS } from "#gpu-runner/bench/layouts.ts"
import { findTorch, hasCuda } from "../peers/install/python.ts"
import { type Limits, measureTask } from "../peers/measure.ts"
import { taskTable } from "../peers/report/table.ts"
import { SystemProcess } from "../peers/system-process.ts"
import { matmulTask } from "../peers/task-inputs.ts"
import type { PairsTask, Task } from "../peers/tasks.ts"
import type { Part } from "./parts.ts"

const peers = path.resolve(import.meta.dirname, "../peers")
/** By the result's scale, with operands and, of PyTorch, results of 16 bits. */
const HALF_TOLERANCE = 2e-2

interface Sizes {
  readonly matmul: readonly [number, number, number]
  /** Products a round: on a GPU one takes less time than waiting for it. */
  readonly repeats: number
  readonly pairs: Omit<PairsTask, "kind" | "name">
  readonly rounds: number
}

const LARGE: Sizes = {
  matmul: [4096, 4096, 4096],
  repeats: 50,
  pairs: {
    sizes: taskSizes(LAYOUTS["llama-3.2-1b"]),
    tiesEmbeddings: true,
    ...{ pairs: 16, promptLength: 256, responseLength: 256, rank: 16 },
  },
  rounds: 3,
}

const SMALL: Sizes = {
  matmul: [32, 64, 48],
  repeats: 2,
  pairs: {
    sizes: taskSizes({
      ...LAYOUTS.anchor,
      hidden: 64,
      layers: 2,
      heads: 2,
      keyValueHeads: 1,
      headSize: 32,
      intermediate: 96,
      vocabulary: 128,
    }),
    tiesEmbeddings: true,
    ...{ pairs: 2, promptLength: 8, responseLength: 8, rank: 4 },
  },
  rounds: 1,
}

function taskSizes(
  layout: (typeof LAYOUTS)[keyof typeof LAYOUTS] | Record<string, number | boolean>,
): PairsTask["sizes"] {
  const sizes = layout as (typeof LAYOUTS)["anchor"]
  return {
    hidden_size: sizes.hidden,
    intermediate_size: sizes.intermediate,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyValueHeads,
    head_dim: sizes.headSize,
    vocab_size: sizes.vocabulary,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
  }
}

/** Two parts, or why there are none. On a machine without CUDA the smoke run takes PyTorch's CPU, if it has one. */
export function pytorchParts(isSmoke: boolean): readonly Part[] | string {
  const python = findTorch()
  if (!python) return "python3 has no torch here (pip install torch, or name a Python in YOHAKU_PYTHON)"
  const device = hasCuda(python) ? "cuda" : "cpu"
  if (device === "cpu" && !isSmoke) return `the torch of ${python} sees no CUDA device`
  const sizes = isSmoke ? SMALL : LARGE
  // The smoke run is not timed, and may share its processor with anything.
  const part = (name: string, limitSeconds: number, taskIn: (folder: string) => Task): Part => ({
    name,
    limitMs: 1000 * (isSmoke ? 120 : limitSeconds),
    run: async (limitMs) => {
      const folder = mkdtempSync(path.join(os.tmpdir(), "yohaku-gpu-"))
      const script = path.join(peers, "python/torch_gpu.py")
      const ours = new SystemProcess({
        file: process.execPath,
        arguments: [path.join(peers, "systems/ours.ts"), "bf16"],
      })
      const torch = new SystemProcess({ file: python, arguments: [script, device] })
      const limits: Limits = {
        rounds: sizes.rounds,
        systemMs: limitMs / 4,
        prepareTimeoutMs: limitMs,
        roundTimeoutMs: limitMs,
      }
      const end = () => {
        ours.end()
        torch.end()
      }
      const timeout = setTimeout(end, limitMs)
      const contenders = [
        { name: "Yohaku", process: ours },
        { name: `PyTorch ${device}`, process: torch },
      ]
      const neverAsked = () => Promise.reject(new TypeError("products and pairs have no referee"))
      try {
        const json = await measureTask(taskIn(folder), contenders, neverAsked, limits, () => undefined)
        return { text: taskTable(json), json }
      } finally {
        clearTimeout(timeout)
        end()
        rmSync(folder, { recursive: true })
      }
    },
  })
  const { promptLength, responseLength, pairs } = sizes.pairs
  const name = `α-DPO step: ${pairs} pairs of ${promptLength} + 2 × ${responseLength}`
  return [
    part("PyTorch products", 45, (folder) => ({
      ...matmulTask(folder, ...sizes.matmul),
      repeats: sizes.repeats,
      tolerance: HALF_TOLERANCE,
    })),
    part("PyTorch pairs", 80, () => ({ kind: "pairs", name, ...sizes.pairs })),
  ]
}
