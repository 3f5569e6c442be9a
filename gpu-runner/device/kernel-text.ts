// What a kernel's WGSL says of itself: the modules that it is composed with, its storage bindings, and the fields of its parameters.
// Understands the little that kernels here need, and refuses the rest: a kernel that is read wrongly would compute wrongly.

/** How a kernel uses one storage binding of group 0. */
export type Access = "read" | "read_write"

export interface KernelInterface {
  /** Storage bindings of group 0, in order: inputs, then outputs. */
  readonly bindings: readonly Access[]
  /** Fields of the uniform struct `Params` (group 1, binding 0), in order, four bytes each. */
  readonly params: Readonly<Record<string, "u32" | "f32">>
}

/** The modules that a file of kernels/ names in its line `// with: …`; none without such a line. */
export function modulesNamed(file: string, text: string): readonly string[] {
  const lines = text.match(/^\/\/ with:.*$/gm) ?? []
  if (lines.length > 1) throw refusal(file, `it has ${lines.length} lines \`// with:\`; join them`)
  const [line] = lines
  if (line === undefined) return []
  const names = line.slice("// with: ".length).split(", ")
  const wrong = names.find((name) => !/^[a-z0-9_]+$/.test(name))
  if (wrong !== undefined)
    throw refusal(file, `\`${line}\` must name modules of kernels/common, as \`// with: grid, lane4\``)
  return names
}

/** The interface that a kernel declares, itself or in a module: `text` is both together. */
export function interfaceOf(file: string, text: string): KernelInterface {
  if (text.includes("/*")) throw refusal(file, "it has a block comment; only line comments are understood")
  const code = text.replaceAll(/\/\/.*$/gm, "")
  const variables = variablesOf(file, code)
  const params = paramsOf(file, code)
  const hasUniform = variables.some(({ group }) => group === 1)
  if (hasUniform !== Object.keys(params).length > 0) {
    throw refusal(file, "a struct Params and `@group(1) @binding(0) var<uniform> params: Params;` belong together")
  }
  return { bindings: bindingsOf(file, variables), params }
}

interface Variable {
  readonly group: number
  readonly binding: number
  /** `storage, read`, `uniform`, … */
  readonly space: string
  readonly declared: string
}

const VARIABLE = /@group\((\d+)\) @binding\((\d+)\) var<([a-z_, ]+)> (\w+: [^;]+);/g

function variablesOf(file: string, code: string): readonly Variable[] {
  const variables = [...code.matchAll(VARIABLE)].map(
    ([, group, binding, space, declared]): Variable => ({
      group: Number(group),
      binding: Number(binding),
      space: space!,
      declared: declared!,
    }),
  )
  for (const { group, binding, space, declared } of variables) {
    if (group === 0) continue
    if (group === 1 && binding === 0 && space === "uniform" && declared === "params: Params") continue
    throw refusal(file, `group ${group} has binding ${binding}; besides group 0 there is only group 1's \`params\``)
  }
  if ((code.match(/@(group|binding)\b/g) ?? []).length !== 2 * variables.length) {
    throw refusal(file, "a binding is not written as `@group(0) @binding(0) var<storage, read> name: type;`")
  }
  return variables
}

function bindingsOf(file: string, variables: readonly Variable[]): readonly Access[] {
  const ofStorage = variables.filter(({ group }) => group === 0).sort((left, right) => left.binding - right.binding)
  return ofStorage.map(({ binding, space, declared }, index): Access => {
    if (binding !== index) throw refusal(file, `group 0 has no binding ${index}, or one twice`)
    if (space === "storage, read") return "read"
    if (space === "storage, read_write") return "read_write"
    throw refusal(file, `\`${declared}\` is <${space}>; bindings are <storage, read> or <storage, read_write>`)
  })
}

function paramsOf(file: string, code: string): KernelInterface["params"] {
  const structs = [...code.matchAll(/struct Params \{([^}]*)\}/g)]
  if (structs.length > 1) throw refusal(file, "it has two structs Params, with its modules")
  const params: Record<string, "u32" | "f32"> = {}
  const [, fields = ""] = structs[0] ?? []
  for (const field of fields.split(",")) {
    if (field.trim() === "") continue
    const [, name, type] = /^(\w+): (u32|f32)$/.exec(field.trim()) ?? []
    if (name === undefined) throw refusal(file, `Params has \`${field.trim()}\`; its fields are u32 or f32`)
    if (name in params) throw refusal(file, `Params has ${name} twice`)
    params[name] = type as "u32" | "f32"
  }
  return params
}

function refusal(file: string, fault: string): Error {
  return new Error(`${file}.wgsl: ${fault}`)
}
