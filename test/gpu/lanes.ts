// The three lanes of GPU tests. `null` compiles and validates on Dawn's null backend; `software` executes on a CPU Vulkan driver;
// `gpu` executes on a real GPU. A lane that cannot run says what is missing: software fails with the NoAdapter message, gpu skips.
import { afterAll, type TestContext, test } from "vitest"
import { createContext, type OpContext } from "#gpu-runner/device/context.ts"
import { NoAdapter } from "#gpu-runner/device/errors.ts"
import { type GpuDevice, type Lane, openDevice } from "#gpu-runner/device/open-device.ts"

type LaneBody = (context: OpContext, test: TestContext) => Promise<void> | void

const openers: Readonly<Record<Lane, () => Promise<GpuDevice>>> = {
  null: () => openDevice({ backend: "null" }),
  software: openSoftware,
  gpu: openDevice,
}

async function openSoftware(): Promise<GpuDevice> {
  // The GPU benchmark's own check: what the software adapter shows for every other day, on the card.
  if (process.env.YOHAKU_SOFTWARE_LANE_ON_GPU) return openDevice()
  try {
    return await openDevice({ forceFallback: true })
  } catch (error) {
    if (!(error instanceof NoAdapter)) throw error
    const gpu = await openDevice()
    console.warn(`software lane: no software adapter here, running on ${gpu.info.description} instead`)
    return gpu
  }
}

const contexts = new Map<Lane, Promise<OpContext>>()

/** The lane's device and a context on it, opened once a test file. */
function contextOf(lane: Lane): Promise<OpContext> {
  let context = contexts.get(lane)
  if (!context) {
    context = openers[lane]().then((gpu) => createContext(gpu, "tuned", { precision: "f32" }))
    contexts.set(lane, context)
  }
  return context
}

afterAll(async () => {
  for (const context of contexts.values()) {
    const opened = await context.catch(() => undefined)
    opened?.gpu.destroy()
  }
  contexts.clear()
})

function laneTest(lane: Lane, name: string, body: LaneBody, timeoutMs?: number): void {
  test(`${lane} lane: ${name}`, timeoutMs === undefined ? {} : { timeout: timeoutMs }, async (testContext) => {
    const context = await contextOf(lane)
    const scope = context.memory.openScope()
    try {
      await body(context, testContext)
    } finally {
      scope.close()
    }
  })
}

/** A test that only compiles and validates. Nothing executes, so it must not look at values. */
export function nullTest(name: string, body: LaneBody): void {
  laneTest("null", name, body)
}

/** A test that executes on the software adapter, at sizes that it can bear. */
export function softwareTest(name: string, body: LaneBody, timeoutMs?: number): void {
  laneTest("software", name, body, timeoutMs)
}

/** As `softwareTest`, with the portable reference kernels that ops fall back to. */
export function portableTest(name: string, body: LaneBody): void {
  softwareTest(`portable kernels: ${name}`, ({ gpu }, test) => body(createContext(gpu, "portable"), test))
}

/** As `softwareTest`, with the kernels meant for real GPUs: their values can be checked here, their speed cannot. */
export function gpuKernelsTest(name: string, body: LaneBody): void {
  softwareTest(`gpu kernels: ${name}`, ({ gpu }, test) => body(createContext(gpu, "gpu", { precision: "f32" }), test))
}

/** A test that executes on a real GPU; where there is none it is skipped with the reason. */
export function gpuTest(name: string, body: LaneBody): void {
  test(`gpu lane: ${name}`, async (testContext) => {
    const context = await contextOf("gpu").catch((error: unknown) => {
      if (error instanceof NoAdapter) return testContext.skip(`gpu lane did not run: ${error.message}`)
      throw error
    })
    const { lane, info } = context.gpu
    if (lane !== "gpu") testContext.skip(`gpu lane did not run: no real GPU here, only ${info.description}`)
    const scope = context.memory.openScope()
    try {
      await body(context, testContext)
    } finally {
      scope.close()
    }
  })
}

/** A test that executes wherever something can: software adapter with tuned and with portable kernels, and a real GPU. */
export function executingTest(name: string, body: LaneBody): void {
  softwareTest(name, body)
  portableTest(name, body)
  gpuTest(name, body)
}
