// Rows of a pack that stay on disk. Of each row 33 bytes are known: where it lies and how long its parts are; its tokens and log-probs are
// read when it is drawn. Passing over all rows reads shard by shard.
import { closeSync, openSync, readSync } from "node:fs"
import { bytesToHex } from "#shared/formats/digest.ts"
import type { ShardOffsets } from "#shared/wire/pack-shard.ts"
import { readWholeFile } from "../files.ts"
import { responseLogProb } from "./reference-file.ts"
import type { RowShape, Rows, TokenRow } from "./token-rows.ts"

const ID_BYTES = 32
/** Columns of the index. */
const COLUMNS = 7

/** Where a row lies. */
export interface PlacedRow {
  /** Its shard's number among those that were added. */
  readonly shard: number
  /** Its number in the shard. */
  readonly pair: number
  /** Where its tokens begin in the shard's, and its log-probs in the shard's. */
  readonly firstToken: number
  readonly firstResponse: number
  readonly promptTokens: number
  readonly chosenTokens: number
  /** 0 in a row of responses. */
  readonly rejectedTokens: number
  readonly weight: number
  /** Of a verdict, whose response is the chosen one here: whether it is desirable. */
  readonly label?: boolean
}

export interface PlacedShard {
  readonly file: string
  readonly offsets: ShardOffsets
}

/** Fills `into` with a shard's bytes from a position on. */
type ReadAt = (position: number, into: Uint8Array<ArrayBuffer>) => void

export class PackRows implements Rows {
  readonly #shards: readonly PlacedShard[]
  readonly #index: Uint32Array
  readonly #weights: Float32Array
  /** 1 and 2: a verdict, desirable or not. */
  readonly #labels: Uint8Array
  readonly #hasReference: boolean
  #length = 0

  /** Room for so many rows; `shards` may still grow. */
  constructor(shards: readonly PlacedShard[], most: number, hasReference: boolean) {
    this.#shards = shards
    this.#index = new Uint32Array(most * COLUMNS)
    this.#weights = new Float32Array(most)
    this.#labels = new Uint8Array(most)
    this.#hasReference = hasReference
  }

  get length(): number {
    return this.#length
  }

  /** The next row. Rows of one shard follow each other. */
  add(row: PlacedRow): void {
    const { shard, pair, firstToken, firstResponse, promptTokens, chosenTokens, rejectedTokens, weight, label } = row
    const columns = [shard, pair, firstToken, firstResponse, promptTokens, chosenTokens, rejectedTokens]
    this.#index.set(columns, this.#length * COLUMNS)
    this.#weights[this.#length] = weight
    this.#labels[this.#length] = label === undefined ? 0 : label ? 1 : 2
    this.#length += 1
  }

  at(index: number): TokenRow | undefined {
    if (!(index >= 0 && index < this.#length)) return undefined
    const descriptor = openSync(this.#shardOf(index).file, "r")
    try {
      return this.#row(index, (position, into) => {
        for (let done = 0; done < into.length; ) {
          const read = readSync(descriptor, into, done, into.length - done, position + done)
          if (read === 0) throw new Error(`${this.#shardOf(index).file} became shorter while it was read`)
          done += read
        }
      })
    } finally {
      closeSync(descriptor)
    }
  }

  *[Symbol.iterator](): Generator<TokenRow> {
    let shard: PlacedShard | undefined
    let bytes = new Uint8Array(0)
    for (let index = 0; index < this.#length; index++) {
      if (this.#shardOf(index) !== shard) {
        shard = this.#shardOf(index)
        bytes = readWholeFile(shard.file)
      }
      const whole = bytes
      yield this.#row(index, (position, into) => into.set(whole.subarray(position, position + into.length)))
    }
  }

  get onDisk() {
    return { shapes: () => this.#shapes(), hasReference: this.#hasReference }
  }

  *#shapes(): Generator<RowShape> {
    for (let index = 0; index < this.#length; index++) {
      const { promptTokens, chosenTokens, rejectedTokens } = this.#placed(index)
      yield {
        promptIds: { length: promptTokens },
        chosenIds: { length: chosenTokens },
        rejectedIds: { length: rejectedTokens },
      }
    }
  }

  #shardOf(index: number): PlacedShard {
    return this.#shards[this.#index[index * COLUMNS]!]!
  }

  #placed(index: number) {
    const [, pair, firstToken, firstResponse, promptTokens, chosenTokens, rejectedTokens] = this.#index.subarray(
      index * COLUMNS,
      (index + 1) * COLUMNS,
    ) as unknown as [number, number, number, number, number, number, number]
    return { pair, firstToken, firstResponse, promptTokens, chosenTokens, rejectedTokens }
  }

  #row(index: number, readAt: ReadAt): TokenRow {
    const { pair, firstToken, firstResponse, ...lengths } = this.#placed(index)
    const { promptTokens, chosenTokens, rejectedTokens } = lengths
    const { pairIds, tokenIds, referenceLogProbs } = this.#shardOf(index).offsets
    const rejectedStart = promptTokens + chosenTokens
    const tokens = rejectedStart + rejectedTokens
    const scores = referenceLogProbs === undefined || !this.#hasReference ? 0 : chosenTokens + rejectedTokens
    // All of a row in one buffer: to make and to sweep several costs more than to read them.
    const bytes = new Uint8Array(4 * (tokens + scores) + ID_BYTES)
    const part = (from: number, to: number) => bytes.subarray(from, to)
    readAt(tokenIds + 4 * firstToken, part(0, 4 * tokens))
    if (scores > 0) readAt(referenceLogProbs! + 4 * firstResponse, part(4 * tokens, 4 * (tokens + scores)))
    const id = part(4 * (tokens + scores), bytes.length)
    readAt(pairIds + ID_BYTES * pair, id)
    const ids = new Uint32Array(bytes.buffer, 0, tokens)
    const reference = scores === 0 ? undefined : new Float32Array(bytes.buffer, 4 * tokens, scores)
    const label = this.#labels[index]
    return {
      ...(label === 0 ? {} : { label: label === 1 }),
      id: bytesToHex(id),
      weight: this.#weights[index]!,
      promptIds: ids.subarray(0, promptTokens),
      chosenIds: ids.subarray(promptTokens, rejectedStart),
      rejectedIds: ids.subarray(rejectedStart),
      reference: reference && {
        chosen: scored(reference.subarray(0, chosenTokens)),
        rejected: scored(reference.subarray(chosenTokens)),
      },
    }
  }
}

const scored = (logProbs: Float32Array) => ({ ...responseLogProb(logProbs), logProbs })
