// A dispatch names the parameters that the kernel's WGSL declares.
import { expect, test } from "vitest"
import { checkFirstDispatch, type Dispatch } from "#gpu-runner/device/dispatch.ts"

const dispatch = (params: Record<string, number>): Dispatch => ({
  kernel: { name: "k", bindings: ["read_write"], params: { rows: "u32", scale: "f32" }, modules: [], variants: {} },
  variant: {},
  tensors: [],
  params,
  workgroupCount: 1,
})

test("a parameter that is missing is named", () => {
  expect(() => checkFirstDispatch(dispatch({ rows: 1 }))).toThrow(
    new TypeError("k was dispatched without its parameter scale"),
  )
})

test("a parameter that the kernel does not have is named", () => {
  expect(() => checkFirstDispatch(dispatch({ rows: 1, scale: 2, row: 3 }))).toThrow(
    new TypeError("k was dispatched with row, which it does not have"),
  )
})

test("a kernel that was dispatched rightly once is not looked at again", () => {
  const first = dispatch({ scale: 2, rows: 1 })
  expect(() => checkFirstDispatch(first)).not.toThrow()
  expect(() => checkFirstDispatch({ ...first, params: {} })).not.toThrow()
})
