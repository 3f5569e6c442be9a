// A device without memory left for an allocation, as Dawn's null backend is after half a gigabyte.
import { expect } from "vitest"
import { createContext } from "#gpu-runner/device/context.ts"
import { GpuOutOfMemory } from "#gpu-runner/device/errors.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { nullTest } from "./lanes.ts"

const BUFFER_BYTES = 2 ** 27

nullTest(
  "an allocation that the device has no memory for surfaces at the next submit, with what would mend it",
  async () => {
    const context = createContext(await openDevice({ backend: "null" }))
    for (let buffer = 0; buffer < 5; buffer++) {
      context.memory.allocatePermanent([BUFFER_BYTES / 4], "f32", `large.${buffer}`)
    }
    const submit = () => context.recorder.submit()
    expect(submit).toThrow(GpuOutOfMemory)
    expect(submit).toThrow(/^The GPU is out of memory: .*Take fewer tokens at once .*, hold the base in fewer bits/s)
  },
)
