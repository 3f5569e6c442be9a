// The heads of a published layout's weights in shards, as a hub has them: gigabytes of which the first kilobytes are here.
import { sha256 } from "#gpu-runner/data/files.ts"
import { decoderTensorShapes } from "#shared/formats/families/decoder-config.ts"
import { parseDecoderConfig } from "#shared/formats/families/parse-decoder-config.ts"

export interface ShardHead {
  readonly name: string
  /** Length of the header, and the header. */
  readonly head: Uint8Array
  readonly fileBytes: number
  /** As if it were the whole file's. */
  readonly digest: string
}

export interface ShardedHeads {
  readonly shards: readonly ShardHead[]
  /** Text of the index. */
  readonly index: string
}

const BYTES_PER_WEIGHT = 2
const LENGTH_BYTES = 8

function headOf(tensors: readonly (readonly [string, readonly number[]])[]) {
  const entries: Record<string, object> = {}
  let end = 0
  for (const [name, shape] of tensors) {
    const begin = end
    end += BYTES_PER_WEIGHT * shape.reduce((product, size) => product * size, 1)
    entries[name] = { dtype: "BF16", shape, data_offsets: [begin, end] }
  }
  const header = new TextEncoder().encode(JSON.stringify(entries))
  const head = new Uint8Array(LENGTH_BYTES + header.length)
  new DataView(head.buffer).setBigUint64(0, BigInt(header.length), true)
  head.set(header, LENGTH_BYTES)
  return { head, fileBytes: head.length + end }
}

/** BF16 weights of a config.json's fields, in shards of equally many tensors. */
export function shardedHeads(fields: Readonly<Record<string, unknown>>, shardCount: number): ShardedHeads {
  const tensors = [...decoderTensorShapes(parseDecoderConfig(fields))]
  const weightMap: Record<string, string> = {}
  const shards = Array.from({ length: shardCount }, (_, shard): ShardHead => {
    const name = `model-0000${shard + 1}-of-0000${shardCount}.safetensors`
    const from = (index: number) => Math.floor((index * tensors.length) / shardCount)
    const held = tensors.slice(from(shard), from(shard + 1))
    for (const [tensor] of held) weightMap[tensor] = name
    return { name, ...headOf(held), digest: sha256(`${name} of ${JSON.stringify(fields)}`) }
  })
  return { shards, index: JSON.stringify({ weight_map: weightMap }) }
}
