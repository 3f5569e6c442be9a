// A reference's name follows the values of its weights, not the way in which they are held.
import { afterAll, expect, test } from "vitest"
import { baseFingerprint, fingerprintOf, precisionOfReference } from "#gpu-runner/data/model/base-fingerprint.ts"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { BASE_WEIGHTS } from "#shared/formats/weights/base-weights.ts"
import { REFERENCE_PRECISIONS } from "#shared/formats/weights/reference-precision.ts"
import { asFloat32, encodeTensor, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

test("an f32 checkpoint has its own name in f32, and another in every kind that rounds", async () => {
  const model = await readModelFolder(writeTinyModel(workspace))
  const names = await Promise.all(BASE_WEIGHTS.map((kind) => baseFingerprint(model, kind)))
  expect(names.slice(0, 2)).toEqual([model.fingerprint, model.fingerprint])
  expect(new Set(names).size).toBe(BASE_WEIGHTS.length - 1)
})

test("a bf16 checkpoint keeps its name in bf16 and f32, and not in f16", async () => {
  const folder = writeTinyModel(workspace, "halves")
  const { tensors } = await readModelFolder(folder)
  const halves = [...tensors.values()].map((tensor) =>
    encodeTensor(tensor.name, tensor.shape, asFloat32(tensor), "BF16"),
  )
  workspace.write("halves/model.safetensors", writeSafetensors(halves, { format: "pt" }))
  const model = await readModelFolder(folder)
  for (const kind of ["stored", "f32", "bf16"] as const) {
    expect(await baseFingerprint(model, kind), kind).toBe(model.fingerprint)
  }
  for (const kind of ["f16", "int8", "nf4"] as const) {
    expect(await baseFingerprint(model, kind), kind).not.toBe(model.fingerprint)
  }
})

test("a reference's fingerprint tells its precision: as stored it is the model's own name, and another model's tells none", async () => {
  const model = await readModelFolder(writeTinyModel(workspace, "told"))
  expect(await fingerprintOf(model, "stored")).toBe(model.fingerprint)
  for (const precision of REFERENCE_PRECISIONS) {
    const told = await precisionOfReference(model, await fingerprintOf(model, precision))
    expect(told).toBe(precision === "f32" ? "stored" : precision)
  }
  expect(await precisionOfReference(model, "0".repeat(64))).toBeUndefined()
})
