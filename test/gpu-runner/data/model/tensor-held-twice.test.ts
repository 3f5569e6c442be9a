// However a model's tensors are dealt to shards, and whichever of them stands in a second one too, the folder's reader and the check of
// stored headers refuse it with the tensor and both files; without the second one both read it.
import { readFileSync, rmSync } from "node:fs"
import fc from "fast-check"
import { afterAll, expect, test } from "vitest"
import { readModelFolder } from "#gpu-runner/data/model/model-folder.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"
import { readSafetensors, writeSafetensors } from "#shared/formats/weights/safetensors.ts"
import { checkWeightHeaders } from "#shared/formats/weights/safetensors-index.ts"
import { createWorkspace, writeTinyModel } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const SHARDS = 3
const fileOf = (shard: number): string => `model-0000${shard + 1}-of-0000${SHARDS}.safetensors`

test("a tensor that any two of the shards hold is refused with its name and theirs, and each tensor once is a model", async () => {
  const directory = writeTinyModel(workspace, "dealt")
  const tensors = [...readSafetensors(readFileSync(`${directory}/model.safetensors`)).tensors.values()]
  rmSync(`${directory}/model.safetensors`)
  const config = parseDecoderConfig(JSON.parse(readFileSync(`${directory}/config.json`, "utf8")))

  const dealt = fc.array(fc.nat(SHARDS - 1), { minLength: tensors.length, maxLength: tensors.length })
  const again = fc.option(fc.record({ tensor: fc.nat(tensors.length - 1), further: fc.integer({ min: 1, max: 2 }) }))
  let refused = 0
  await fc.assert(
    fc.asyncProperty(dealt, again, async (shardOf, second) => {
      const parts = Array.from({ length: SHARDS }, (_, shard) => tensors.filter((_, index) => shardOf[index] === shard))
      const index = JSON.stringify({
        weight_map: Object.fromEntries(tensors.map(({ name }, at) => [name, fileOf(shardOf[at]!)])),
      })
      const home = second === null ? 0 : shardOf[second.tensor]!
      const other = second === null ? 0 : (home + second.further) % SHARDS
      // A shard that the index does not name is no part of the model.
      fc.pre(second === null || parts[other]!.length > 0)
      if (second !== null) parts[other]!.push(tensors[second.tensor]!)
      for (const [shard, part] of parts.entries()) workspace.write(`dealt/${fileOf(shard)}`, writeSafetensors(part))
      workspace.write("dealt/model.safetensors.index.json", index)
      const named = [...parts.entries()].filter(([, part]) => part.length > 0)
      const check = () => checkWeightHeaders(config, new Map(named.map(([at, part]) => [fileOf(at), part])), index)
      if (second === null) {
        expect([...(await readModelFolder(directory)).tensors.keys()].sort()).toEqual(
          tensors.map(({ name }) => name).sort(),
        )
        expect(check).not.toThrow()
        return
      }
      refused++
      const [first, last] = [fileOf(home), fileOf(other)].sort()
      const told = `${first} and ${last} both hold ${tensors[second.tensor]!.name}; fetch the model folder again`
      await expect(readModelFolder(directory)).rejects.toThrow(told)
      expect(check).toThrow(told)
    }),
    { numRuns: 60, seed: 20_261_129 },
  )
  expect(refused).toBeGreaterThan(30)
})
