// Which subgroup matrices are used: those that the driver lists, and only after one product of known integers came out exactly. The null
// back end stands for the device: it compiles the probe and computes nothing, so that a test can say what came out.
import { expect } from "vitest"
import {
  checkMatrixUnits,
  KNOWN_MATRIX_UNITS,
  listedMatrixUnits,
  type MatrixUnits,
} from "#gpu-runner/device/matrix-units.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { nullTest } from "./lanes.ts"

const [sixteen, , eight] = KNOWN_MATRIX_UNITS as readonly [MatrixUnits, MatrixUnits, MatrixUnits]

/** The probe's product in f64: (37 i + 11 p) mod 63 − 20, p = 1 and 2. */
function exactProduct({ rows, columns, depth }: MatrixUnits): number[] {
  const known = (i: number, phase: number) => ((i * 37 + phase * 11) % 63) - 20
  return Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0
    for (let k = 0; k < depth; k++) {
      sum += known(Math.floor(i / columns) * depth + k, 1) * known(k * columns + (i % columns), 2)
    }
    return sum
  })
}

/** A device of the null back end on which the probe reads `product`. */
async function deviceWith(product: readonly number[]): Promise<GPUDevice> {
  const { device } = await openDevice({ backend: "null" })
  const createBuffer = device.createBuffer.bind(device)
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor)
    if (descriptor.usage & GPUBufferUsage.MAP_READ) {
      buffer.getMappedRange = () => Float32Array.from(product).buffer
    }
    return buffer
  }
  return device
}

/** Every configuration is tried on a device of its own: on these, in turn. */
function devicesWith(...products: readonly (readonly number[])[]): () => Promise<GPUDevice> {
  const left = [...products]
  return () => deviceWith(left.shift()!)
}

nullTest("subgroup matrices are used where the product of known integers is exact", async () => {
  const { units, report } = await checkMatrixUnits([sixteen, eight], devicesWith(exactProduct(sixteen)))
  expect(units).toBe(sixteen)
  expect(report).toBe("16×16×16 f16 with f32 sums, 32 lanes: checked")
})

nullTest(
  "a configuration that is off by one unit of f16 in one sum is passed over, and none is used if all are",
  async () => {
    const off = (of: MatrixUnits) => exactProduct(of).map((value, i) => (i === 37 ? value + 1 : value))
    const second = await checkMatrixUnits([sixteen, eight], devicesWith(off(sixteen), exactProduct(eight)))
    expect(second.units).toBe(eight)
    const none = await checkMatrixUnits([sixteen, eight], devicesWith(off(sixteen), off(eight)))
    expect(none.units).toBeUndefined()
    expect(none.report).toBe(
      "not used (16×16×16 f16 with f32 sums, 32 lanes: computes wrongly; 8×8×8 f16 with f32 sums, 32 lanes: computes wrongly)",
    )
  },
)

nullTest("a device that is lost over the probe is reported, and costs the caller no device", async () => {
  const lost = async () => {
    const device = await deviceWith(exactProduct(sixteen))
    device.destroy()
    return device
  }
  const { units, report } = await checkMatrixUnits([sixteen], lost)
  expect(units).toBeUndefined()
  expect(report).toMatch(/^not used \(16×16×16 f16 with f32 sums, 32 lanes: (the device was lost|refused)/)
})

nullTest("of the listed configurations those of f16 with f32 sums count, largest first, by every subgroup size", () => {
  const config = (size: number, resultComponentType = "f32", componentType = "f16") => {
    return { componentType, resultComponentType, M: size, N: size, K: size }
  }
  const adapter = (subgroupMinSize: number, subgroupMaxSize: number, features: readonly string[]) => ({
    features: new Set(["chromium-experimental-subgroup-matrix", "shader-f16", "subgroups", ...features]),
    info: {
      subgroupMinSize,
      subgroupMaxSize,
      subgroupMatrixConfigs: [config(8), config(16), config(16, "f16"), config(16, "i32", "i8"), config(32)],
    },
  })
  const named = (units: readonly MatrixUnits[]) => units.map(({ rows, lanes }) => `${rows} by ${lanes}`)
  const sized = ["subgroup-size-control"]
  expect(named(listedMatrixUnits(adapter(32, 32, [])))).toEqual(["16 by 32", "8 by 32"])
  expect(named(listedMatrixUnits(adapter(8, 32, sized)))).toEqual(
    [16, 8].flatMap((rows) => [32, 16, 8].map((lanes) => `${rows} by ${lanes}`)),
  )
  // Without control over the size nobody knows which one a kernel gets.
  expect(listedMatrixUnits(adapter(8, 32, []))).toEqual([])
})
