// What a dispatch costs besides its work, as JSON: the host's time to record one, and the device's gap between dependent ones.
// usage: node test/bench/gpu/dispatch-cost.ts [DISPATCHES]
import { dispatchesOf, spread } from "#gpu-runner/bench/rounds.ts"
import { createContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import { axpy } from "#gpu-runner/ops/elementwise/elementwise.ts"

const ROUNDS = 5
const ELEMENTS = 64
const count = Number(process.argv[2] ?? 1000)

const gpu = await openDevice()
const context = createContext(gpu)
const x = uploaded(context, new Float32Array(ELEMENTS).fill(1), [ELEMENTS], "x")
const y = uploaded(context, new Float32Array(ELEMENTS), [ELEMENTS], "y")
// Each reads what the one before it wrote.
const record = () => {
  for (let index = 0; index < count; index++) axpy(context, 1e-6, x, y)
}
const encodeMicroseconds: number[] = []
const wallMicroseconds: number[] = []
for (let round = 0; round <= ROUNDS; round++) {
  const startMs = performance.now()
  record()
  context.recorder.submit()
  const encodedMs = performance.now()
  await gpu.wait(gpu.device.queue.onSubmittedWorkDone())
  if (round === 0) continue
  encodeMicroseconds.push((1000 * (encodedMs - startMs)) / count)
  wallMicroseconds.push((1000 * (performance.now() - startMs)) / count)
}
const result: Record<string, unknown> = {
  dispatches: count,
  encodeMicroseconds: spread(encodeMicroseconds),
  wallMicroseconds: spread(wallMicroseconds),
}
if (gpu.features.has("timestamp-query")) {
  const timed = await dispatchesOf(context, record)
  const gaps = timed.slice(1).map((dispatch, index) => 1000 * (dispatch.startMs - timed[index]!.endMs))
  result.gapMicroseconds = spread(gaps)
  result.busyMicroseconds = spread(timed.map(({ startMs, endMs }) => 1000 * (endMs - startMs)))
}
console.log(JSON.stringify(result))
gpu.destroy()
