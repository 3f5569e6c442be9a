// Makes bad and good adapters of the demo's model and holds them to the default gates. What was made is kept, so it goes on where it was stopped.
// usage: node test/adversarial/run.ts [--seeds 1,2,3] [--out DIRECTORY] [--only WORD] [--judge-alone] [--values]
import { parseArgs } from "node:util"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { DEFAULT_LIMITS } from "#shared/gates/default-rules.ts"
import { gatesOf } from "#workers/orchestrator/retrain/gates.ts"
import { makeAll, makeWorld, readWorld, triggerProbe } from "./make.ts"
import { tableOf, verdictsOf } from "./verdicts.ts"

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1,2,3" },
    out: { type: "string", default: ".yohaku/adversarial" },
    only: { type: "string", default: "" },
    "judge-alone": { type: "boolean", default: false },
    values: { type: "boolean", default: false },
  },
})
const seeds = values.seeds.split(",").map(Number)

async function make() {
  const gpu = await openDevice()
  try {
    const world = await makeWorld(gpu, values.out)
    const tell = (text: string) => console.log(text)
    await makeAll(gpu, world, values.out, {
      seeds,
      only: (name) => name.includes(values.only),
      onMade: ({ recipe, seed, seconds }) => tell(`seed ${seed} ${recipe.name}: ${seconds.toFixed(1)} s`),
    })
    return world
  } finally {
    gpu.destroy()
  }
}

const world = values["judge-alone"] ? await readWorld(values.out) : await make()
const verdicts = await verdictsOf(seeds, {
  ...{ folder: values.out, pack: world.pack, settings: world.settings },
  gates: gatesOf(DEFAULT_LIMITS, {}),
  probed: gatesOf(DEFAULT_LIMITS, { probes: [triggerProbe(world.heldOut)] }),
})
if (values.values) {
  for (const { recipe, seed, evaluated } of verdicts) {
    const numbers = Object.entries(evaluated?.measurements ?? {}).map(([name, of]) =>
      "value" in of
        ? `${name} ${of.value.toFixed(3)}${of.low === undefined ? "" : ` [${of.low.toFixed(2)}, ${of.high!.toFixed(2)}]`}`
        : `${name} missing`,
    )
    console.log(`seed ${seed} ${recipe.name}: ${numbers.join("; ")}`)
  }
}
console.log(tableOf(verdicts))
