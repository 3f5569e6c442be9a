// This engine, as a system of compare.ts: the same ops and model that a training run uses. usage: ours.ts f32|bf16|f16|int8|nf4

import { createContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { readback, uploaded } from "#gpu-runner/device/transfer.ts"
import { backwardDecoder, forwardDecoder, hiddenDecoder, scoreHidden } from "#gpu-runner/models/decoder.ts"
import { createDecoder } from "#gpu-runner/models/decoder-parameters.ts"
import { uploadBatch } from "#gpu-runner/models/laid-out-batch.ts"
import { layOutRows } from "#gpu-runner/models/laid-out-rows.ts"
import { attention } from "#gpu-runner/ops/attention/attention.ts"
import { attentionLayout } from "#gpu-runner/ops/attention/attention-layout.ts"
import { uploadAttentionLayout } from "#gpu-runner/ops/attention/attention-lists.ts"
import { matmul } from "#gpu-runner/ops/matmul/matmul.ts"
import { releaseWeight, uploadWeight } from "#gpu-runner/ops/matmul/quantised-weight.ts"
import type { Adapter, AdapterModule } from "#shared/formats/peft/adapter.ts"
import { storeMatrix, WEIGHT_KINDS } from "#shared/formats/weights/quantisation.ts"
import { tensorOf } from "#shared/formats/weights/tensor.ts"
import { LORA_RANK, LORA_TARGETS, llamaConfig, norm, readFloats, readTensors, readTokenIds } from "../llama-model.ts"
import { type Prepared, serveRounds } from "../serve-rounds.ts"
import type { AttentionTask, MatmulTask, ModelTask } from "../tasks.ts"
import { preparePairs } from "./ours-pairs.ts"

const kind = WEIGHT_KINDS.find((name) => name === process.argv[2]) ?? "f32"
const gpu = await openDevice()
const context = createContext(gpu)
const done = () => {
  context.recorder.submit()
  return gpu.device.queue.onSubmittedWorkDone()
}
const sampled = (values: Float32Array, indices: readonly number[]) => indices.map((index) => values[index]!)

function prepareMatmul({ rows, inner, columns, repeats, files, samples }: MatmulTask): Prepared {
  const a = context.memory.allocatePermanent([rows, inner], "f32", "a")
  const scope = context.memory.openScope()
  const given = uploaded(context, readFloats(files.a), [rows, inner], "a")
  context.recorder.copy(given, a)
  scope.close()
  const stored = storeMatrix(tensorOf("b", [columns, inner], readFloats(files.bTransposed)), kind)
  const b = uploadWeight(context, stored, "b")
  const product = () => matmul(context, a, b, { transposeB: true })
  return {
    run: () => {
      for (let repeat = 0; repeat < repeats; repeat++) context.memory.withScope(() => void product())
      return done()
    },
    find: async () => {
      const within = context.memory.openScope()
      const [values] = await readback(context, [product()])
      within.close()
      return { samples: sampled(values!, samples) }
    },
    release: () => {
      context.memory.release(a)
      releaseWeight(context, b)
      context.memory.trim()
    },
  }
}

function prepareAttention({ sequences, heads, length, headSize, files, samples }: AttentionTask): Prepared {
  const scope = context.memory.openScope()
  const input = (file: string) => uploaded(context, readFloats(file), [sequences * length, heads * headSize], "input")
  const inputs = { query: input(files.query), key: input(files.key), value: input(files.value) }
  const pairs = Array.from({ length: sequences }, () => ({ promptLength: length, chosenLength: 0, rejectedLength: 0 }))
  const layout = uploadAttentionLayout(context, attentionLayout(pairs))
  const options = { headCount: heads, keyValueHeadCount: heads }
  return {
    run: () => {
      context.memory.withScope(() => void attention(context, inputs, layout, options))
      return done()
    },
    find: async () => {
      const within = context.memory.openScope()
      const [values] = await readback(context, [attention(context, inputs, layout, options).output])
      within.close()
      return { samples: sampled(values!, samples) }
    },
    release: () => {
      scope.close()
      context.memory.trim()
    },
  }
}

function adapterOf(task: ModelTask, tensors: ReturnType<typeof readTensors>): Adapter {
  const modules = new Map<string, AdapterModule>()
  for (const [name, { values }] of tensors) {
    if (!name.endsWith(".lora_A")) continue
    const path = name.slice(0, -".lora_A".length)
    modules.set(path, { a: values, b: tensors.get(`${path}.lora_B`)!.values })
  }
  const settings = {
    baseModel: "random",
    rank: LORA_RANK,
    alpha: LORA_RANK * task.loraScaling,
    targetModules: LORA_TARGETS,
  }
  return { settings, scaling: task.loraScaling, modules }
}

function prepareModel(task: ModelTask): Prepared {
  const config = llamaConfig(task.sizes)
  const values = readTensors(task)
  const tensors = new Map([...values].map(([name, { shape, values }]) => [name, tensorOf(name, shape, values)]))
  for (const name of values.keys()) if (name.includes(".lora_")) tensors.delete(name)
  const isStep = task.kind === "step"
  const trained =
    task.train === "adapter"
      ? ({ train: "adapter", adapter: adapterOf(task, values) } as const)
      : ({ train: "weights" } as const)
  const model = createDecoder(
    context,
    { config, tensors },
    {
      positionCount: task.length,
      baseWeights: kind,
      ...(isStep ? trained : {}),
    },
  )
  const ids = readTokenIds(task)
  const sequence = (index: number) => ids.subarray(index * task.length, (index + 1) * task.length)
  const rows = Array.from({ length: task.sequences }, (_, index) => {
    const tokens = sequence(index)
    return {
      id: `${index}`,
      promptIds: tokens.slice(0, 1),
      chosenIds: tokens.slice(1),
      rejectedIds: new Uint32Array(0),
      weight: 1,
    }
  })
  const laidOut = layOutRows(rows)
  const scored = laidOut.targets.length
  const upstream = new Float32Array(scored).fill(-1 / scored)

  const logProbs = () => {
    const batch = uploadBatch(context, model, laidOut, { backward: isStep })
    if (!isStep) return scoreHidden(context, model, batch, hiddenDecoder(context, model, batch)).logProbs
    model.trained!.zeroGradients()
    const pass = forwardDecoder(context, model, batch)
    backwardDecoder(context, model, batch, pass, uploaded(context, upstream, [scored], "upstream"))
    return pass.logProbs
  }
  const inScope = async () => {
    const scope = context.memory.openScope()
    const [found] = await readback(context, [logProbs()])
    scope.close()
    return found!
  }
  return {
    // The readback of the log-probs waits for all of the work: they are all that a step's host needs.
    run: async () => void (await inScope().then(() => done())),
    find: async () => {
      const loss = -(await inScope()).reduce((sum, value) => sum + value, 0) / scored
      if (!isStep) return { loss }
      const gradients = (await model.trained!.read("gradient")).gradient
      return { loss, gradientNorm: norm([...gradients.values()]) }
    },
    release: () => {
      model.release()
      context.memory.trim()
    },
  }
}

await serveRounds(
  async (task) => {
    if (task.kind === "matmul") return prepareMatmul(task)
    if (task.kind === "pairs") return preparePairs(context, task)
    return task.kind === "attention" ? prepareAttention(task) : prepareModel(task)
  },
  { isThrottled: gpu.lane === "software" },
)
