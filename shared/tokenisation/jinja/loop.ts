// The variable `loop`: where a for loop stands. What looks ahead (last, nextitem) takes the next item early, and length takes
// all of them where the iterable has no length, as in jinja2.
import { areEqual } from "./operators.ts"
import {
  Callable,
  iterate,
  LoopValue,
  lengthOf,
  TemplateError,
  Undefined,
  UnsupportedConstruct,
  type Value,
} from "./values.ts"

export class Loop extends LoopValue {
  private iterator: Iterator<Value>
  private readonly knownLength: number | undefined
  private counted: number | undefined
  private index0 = -1
  private before: Value | undefined
  private current: Value | undefined
  /** the item taken early; undefined where none was, and `done` where there is none left */
  private ahead: IteratorResult<Value> | undefined
  private lastChanged: readonly Value[] | undefined

  constructor(iterable: Value, knownLength = lengthOf(iterable)) {
    super()
    this.iterator = iterate(iterable)
    this.knownLength = knownLength
  }

  next(): Value | undefined {
    const { value, done } = this.ahead ?? this.iterator.next()
    this.ahead = undefined
    if (done) return undefined
    this.index0++
    this.before = this.current
    this.current = value
    return value
  }

  get length(): number {
    if (this.knownLength !== undefined) return this.knownLength
    if (this.counted === undefined) {
      const rest: Value[] = []
      for (let next = this.iterator.next(); !next.done; next = this.iterator.next()) rest.push(next.value)
      this.iterator = rest[Symbol.iterator]()
      this.counted = rest.length + this.index0 + 1 + (this.ahead !== undefined && !this.ahead.done ? 1 : 0)
    }
    return this.counted
  }

  attribute(name: string): Value | undefined {
    switch (name) {
      case "index":
        return BigInt(this.index0 + 1)
      case "index0":
        return BigInt(this.index0)
      case "first":
        return this.index0 === 0
      case "last":
        return this.peek() === undefined
      case "length":
        return BigInt(this.length)
      case "revindex":
        return BigInt(this.length - this.index0)
      case "revindex0":
        return BigInt(this.length - this.index0 - 1)
      case "previtem":
        return this.index0 === 0 ? new Undefined("there is no previous item") : this.before
      case "nextitem": {
        const next = this.peek()
        return next === undefined ? new Undefined("there is no next item") : next
      }
      case "depth":
        return 1n
      case "depth0":
        return 0n
      case "cycle":
        return new Callable("cycle", "method", (args) => this.cycle(args))
      case "changed":
        return new Callable("changed", "method", (args) => this.changed(args))
    }
    if (name.startsWith("_")) throw new UnsupportedConstruct(`loop.${name}`)
    return undefined
  }

  private peek(): Value | undefined {
    this.ahead ??= this.iterator.next()
    return this.ahead.done ? undefined : this.ahead.value
  }

  private cycle(args: readonly Value[]): Value {
    if (args.length === 0) throw new TemplateError("no items for cycling given")
    return args[this.index0 % args.length]!
  }

  private changed(args: readonly Value[]): boolean {
    const isSame = this.lastChanged !== undefined && areEqual(this.lastChanged, args)
    if (!isSame) this.lastChanged = args
    return !isSame
  }
}
