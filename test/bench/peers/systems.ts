// The systems that are compared: how each is had, started, and what it can be asked.
import path from "node:path"
import { ensurePackages } from "./install/npm-packages.ts"
import { ensureTorch, systemTorch } from "./install/python.ts"
import { ensureTorchlette } from "./install/torchlette.ts"
import type { Command } from "./system-process.ts"
import type { Task } from "./tasks.ts"

export interface System {
  readonly name: string
  readonly kinds: readonly Task["kind"][]
  /** Installs what is missing and says how it is started. Errors: CannotRun. */
  readonly command: () => Command | Promise<Command>
}

const here = import.meta.dirname

const script = (name: string, ...words: readonly string[]): Command => ({
  file: process.execPath,
  arguments: [path.join(here, "systems", name), ...words],
})

function jax(device: string): System["command"] {
  return () => {
    ensurePackages(["@jax-js/jax"])
    return script("jax-js.ts", device)
  }
}

function tensorFlow(device: string): System["command"] {
  return () => {
    ensurePackages(["@tensorflow/tfjs-core", `@tensorflow/tfjs-backend-${device}`])
    return script("tfjs.ts", device)
  }
}

/** Its threads sleep instead of spinning: two threads on two cores lose nothing by it, and the other systems gain. */
function torchCommand(threads: number): Command {
  return {
    file: ensureTorch(),
    arguments: [path.join(here, "python", "torch_system.py"), `${threads}`],
    environment: { OMP_WAIT_POLICY: "passive", OPENBLAS_NUM_THREADS: `${threads}` },
  }
}

const EVERYTHING = ["matmul", "attention", "log-probs", "step"] as const

/** This engine with weights packed in 16 bits, as it holds a checkpoint's; everything is compared with it. */
export const OURS: System = {
  name: "Yohaku, bf16 weights",
  kinds: EVERYTHING,
  command: () => script("ours.ts", "bf16"),
}
export const OURS_F32: System = {
  name: "Yohaku, f32 weights",
  kinds: ["matmul", "log-probs", "step"],
  command: () => script("ours.ts", "f32"),
}
export const TORCH: System = { name: "PyTorch CPU, 2 threads", kinds: EVERYTHING, command: () => torchCommand(2) }

export const SYSTEMS: readonly System[] = [
  OURS,
  OURS_F32,
  { name: "jax-js webgpu", kinds: EVERYTHING, command: jax("webgpu") },
  { name: "jax-js wasm", kinds: EVERYTHING, command: jax("wasm") },
  { name: "tfjs webgpu", kinds: ["matmul"], command: tensorFlow("webgpu") },
  { name: "tfjs wasm, 1 thread", kinds: ["matmul"], command: tensorFlow("wasm") },
  {
    name: "torchlette webgpu",
    kinds: ["matmul", "log-probs", "step"],
    command: async () => {
      await ensureTorchlette()
      return script("torchlette.ts")
    },
  },
  {
    name: "onnxruntime-web wasm, 1 thread",
    kinds: ["matmul", "log-probs"],
    command: () => script("onnxruntime.ts", "1", "plain"),
  },
  {
    name: "onnxruntime-web wasm, 2 threads",
    kinds: ["matmul", "log-probs"],
    command: () => script("onnxruntime.ts", "2", "plain"),
  },
  {
    name: "onnxruntime-web wasm, the scorer's graph",
    kinds: ["log-probs"],
    command: () => script("onnxruntime.ts", "1", "scorer"),
  },
  { name: "PyTorch CPU, 1 thread", kinds: EVERYTHING, command: () => torchCommand(1) },
  TORCH,
  {
    name: "PyTorch CPU of the system's python3, 2 threads",
    kinds: ["matmul"],
    command: () => ({ ...torchCommand(2), file: systemTorch() }),
  },
]
