// Typed arrays that grow while nobody knows yet how long they become.

type Numbers = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>

/** The array itself, or a longer copy where it has no room for `length` elements. */
export function withRoom<A extends Numbers>(array: A, length: number): A {
  if (length <= array.length) return array
  // A quarter more, not twice as much: old and new stand beside each other while they are copied.
  const longer = new (array.constructor as new (length: number) => A)(Math.ceil(length * 1.25) + 64)
  longer.set(array as never)
  return longer
}
