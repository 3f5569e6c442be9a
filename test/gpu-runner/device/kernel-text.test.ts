// What the runner reads from a kernel's WGSL, and what it refuses to read.
import { expect, test } from "vitest"
import { interfaceOf, modulesNamed } from "#gpu-runner/device/kernel-text.ts"

const INPUT = "@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>; // [T, C], read twice"
const OUTPUT = "@group(0) @binding(1) var<storage, read_write> output: array<f32>; // [T], ="
const UNIFORM = "@group(1) @binding(0) var<uniform> params: Params;"
const PARAMS = "struct Params {\n  rows: u32, // T, a multiple of 4\n  scale: f32,\n}"
const BODY = "var<workgroup> tile: array<f32, 4>;\n@compute @workgroup_size(64)\nfn k() {}"

const read = (...lines: string[]) => interfaceOf("k", [...lines, BODY].join("\n"))

test("bindings are read in the order of their numbers, parameters in that of their fields", () => {
  const { bindings, params } = read(PARAMS, OUTPUT, INPUT, UNIFORM)
  expect(bindings).toEqual(["read", "read_write"])
  expect(Object.entries(params)).toEqual([
    ["rows", "u32"],
    ["scale", "f32"],
  ])
})

test("a kernel may have no parameters, and comments declare nothing", () => {
  expect(read(INPUT, "// @group(0) @binding(1), struct Params { a: i32 }")).toEqual({ bindings: ["read"], params: {} })
})

test("one parameter is as good as several", () => {
  expect(read(INPUT, "struct Params {\n  rows: u32,\n}", UNIFORM).params).toEqual({ rows: "u32" })
})

const refused: readonly [string, string[], RegExp][] = [
  ["a gap in the bindings", [INPUT, OUTPUT.replace("binding(1)", "binding(2)")], /no binding 1, or one twice/],
  ["a binding twice", [INPUT, INPUT], /no binding 1, or one twice/],
  ["another address space", [INPUT.replace("storage, read", "uniform")], /is <uniform>; bindings are/],
  ["storage without an access", [INPUT.replace("storage, read", "storage")], /is <storage>; bindings are/],
  ["a binding written otherwise", [INPUT, `@binding(1) ${OUTPUT.replace("@binding(1) ", "")}`], /is not written as/],
  ["another group", [INPUT.replace("group(0)", "group(2)")], /group 2 has binding 0/],
  ["a second uniform", [INPUT, PARAMS, UNIFORM, UNIFORM.replace("binding(0)", "binding(1)")], /group 1 has binding 1/],
  ["a parameter of another type", [INPUT, PARAMS.replace("f32", "vec2<u32>"), UNIFORM], /`scale: vec2<u32>`/],
  ["a parameter twice", [INPUT, PARAMS.replace("scale: f32", "rows: u32"), UNIFORM], /Params has rows twice/],
  ["two structs of parameters", [INPUT, PARAMS, PARAMS, UNIFORM], /two structs Params/],
  ["parameters that are not bound", [INPUT, PARAMS], /belong together/],
  ["bound parameters that are not declared", [INPUT, UNIFORM], /belong together/],
  ["a block comment", [INPUT, "/* @group(0) */"], /block comment/],
]

test.each(refused)("%s is refused", (_, lines, message) => {
  expect(() => read(...lines)).toThrow(message)
  expect(() => read(...lines)).toThrow(/^k\.wgsl: /)
})

test("the modules of a file are those of its line `// with:`, in order", () => {
  expect(modulesNamed("k", "// Adds.\n// with: grid, row_segments\nstruct Params {}")).toEqual(["grid", "row_segments"])
  expect(modulesNamed("k", "// Adds, with: nothing")).toEqual([])
})

test.each(["// with:", "// with: grid,row_sums", "// with: grid.", "// with: a\n// with: b"])(
  "`%s` is refused",
  (text) => {
    expect(() => modulesNamed("k", text)).toThrow(/^k\.wgsl: /)
  },
)
