// Which linear modules of a decoder an adapter changes: PEFT's rules for `target_modules`, and for the keys of
// `rank_pattern` and `alpha_pattern`. Source: peft, tuners_utils.check_target_module_exists and other.get_pattern_key.
import { type DecoderConfig, decoderLinearShapes, layerPath } from "../families/decoder-config.ts"

/** The linear modules that an adapter may target. */
export const TARGET_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const
export type TargetModule = (typeof TARGET_MODULES)[number]

/** Sizes of a linear module's weight [out, in]. */
export interface ModuleShape {
  readonly out: number
  readonly in: number
}

/** Every linear module that an adapter may change, by path ("model.layers.0.self_attn.q_proj"), in layer order. */
function linearModules(config: DecoderConfig): Map<string, ModuleShape> {
  const shapes = new Map<string, ModuleShape>()
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const [path, [outSize, inSize]] of decoderLinearShapes(config)) {
      shapes.set(`${layerPath(layer)}.${path}`, { out: outSize, in: inSize })
    }
  }
  return shapes
}

/** Whether a target of a list selects a module: its whole path, or the end of it from a dot on. */
function selects(target: string, modulePath: string): boolean {
  return modulePath === target || modulePath.endsWith(`.${target}`)
}

/** Module paths with [out, in] sizes that the targets (names, or ends of paths) select in a model, in layer order. */
export function adapterModuleShapes(config: DecoderConfig, targets: readonly string[]): Map<string, ModuleShape> {
  return new Map([...linearModules(config)].filter(([path]) => targets.some((target) => selects(target, path))))
}

/** The module paths that a regular expression matches from end to end, or undefined where JavaScript cannot read it. */
export function modulesMatching(config: DecoderConfig, pattern: string): string[] | undefined {
  let expression: RegExp
  try {
    expression = new RegExp(`^(?:${pattern})$`)
  } catch {
    return undefined
  }
  return [...linearModules(config).keys()].filter((path) => expression.test(path))
}

/** The shortest list of targets that selects exactly these modules: names where whole kinds are meant, else the paths. */
export function shortestTargets(config: DecoderConfig, paths: Iterable<string>): string[] {
  const chosen = new Set(paths)
  const names = new Set([...chosen].map(moduleName))
  const isWhole = [...linearModules(config).keys()].every((path) => chosen.has(path) === names.has(moduleName(path)))
  if (isWhole) return TARGET_MODULES.filter((name) => names.has(name))
  return [...linearModules(config).keys()].filter((path) => chosen.has(path))
}

/** "model.layers.0.self_attn.q_proj" → "q_proj" */
export function moduleName(path: string): TargetModule {
  return path.slice(path.lastIndexOf(".") + 1) as TargetModule
}

/** Keys of a pattern that are names or paths and no further regular expression; a leading ^ asks for the whole path. */
const PLAIN_KEY = /^\^?[A-Za-z0-9_]+(\\?\.[A-Za-z0-9_]+)*\$?$/

/** Whether patternValue can read a key. */
export function isPlainPatternKey(key: string): boolean {
  return PLAIN_KEY.test(key)
}

/** The value of the first key that means a module, else undefined. Keys must be plain. */
export function patternValue(pattern: Readonly<Record<string, number>>, modulePath: string): number | undefined {
  const key = Object.keys(pattern).find((name) => {
    const target = name.replaceAll("\\.", ".").replace(/\$$/, "")
    return target.startsWith("^") ? target.slice(1) === modulePath : selects(target, modulePath)
  })
  return key === undefined ? undefined : pattern[key]
}
