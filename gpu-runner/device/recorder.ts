// Records dispatches into one compute pass and submits them together. Pipelines and bind groups are cached; parameters go
// through a uniform ring with dynamic offsets, so that a dispatch costs two setBindGroup calls and no allocation.
// From the first dispatch on whose pipeline is still being compiled, what is recorded waits in a list until something must be read: by
// then all its pipelines are being compiled at once.
import { BindGroups } from "./bind-groups.ts"
import { checkFirstDispatch, type Dispatch } from "./dispatch.ts"
import type { DispatchTimer } from "./dispatch-timer.ts"
import { MemoryMisuse } from "./errors.ts"
import type { GpuDevice } from "./open-device.ts"
import { type Pipeline, Pipelines } from "./pipelines.ts"
import type { Tensor } from "./tensor.ts"

const PARAMS_STRIDE_BYTES = 256

// Submits in between let the device start while the rest is still being recorded: soon where it has nothing to do, then less often.
const FEWEST_DISPATCHES_PER_SUBMIT = 32
const MOST_DISPATCHES_PER_SUBMIT = 256
const MAX_WORKGROUPS_PER_DIMENSION = 65_535

export class Recorder {
  readonly #gpu: GpuDevice
  readonly pipelines: Pipelines
  readonly #ring: GPUBuffer
  readonly #ringData = new ArrayBuffer(PARAMS_STRIDE_BYTES * MOST_DISPATCHES_PER_SUBMIT)
  readonly #ringView = new DataView(this.#ringData)
  readonly #paramsGroup: GPUBindGroup
  readonly #bindGroups: BindGroups
  #encoder: GPUCommandEncoder | undefined
  #pass: GPUComputePassEncoder | undefined
  #current: Pipeline | undefined
  #slot = 0
  #timer: DispatchTimer | undefined
  #phase = ""
  #waiting: (() => void)[] = []
  #dispatchesPerSubmit = MOST_DISPATCHES_PER_SUBMIT

  constructor(gpu: GpuDevice) {
    this.#gpu = gpu
    this.pipelines = new Pipelines(gpu)
    this.#bindGroups = new BindGroups(gpu)
    this.#ring = gpu.device.createBuffer({
      label: "recorder.params",
      size: this.#ringData.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    })
    this.#paramsGroup = gpu.device.createBindGroup({
      label: "recorder.params",
      layout: this.pipelines.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: this.#ring, size: PARAMS_STRIDE_BYTES } }],
    })
  }

  /** Records one dispatch; it runs after everything recorded before it. A count of 0 records nothing. */
  dispatch(dispatch: Dispatch): void {
    if (dispatch.workgroupCount === 0) return
    checkFirstDispatch(dispatch)
    const { kernel, variant } = dispatch
    const pipeline = this.pipelines.request(kernel, variant)
    if (pipeline && this.#waiting.length === 0) this.#encode(dispatch, pipeline)
    else {
      const phase = this.#phase
      const encode = () => this.#encode(dispatch, this.pipelines.get(kernel, variant))
      this.#waiting.push(() => this.withinPhase(phase, encode))
    }
  }

  #encode(dispatch: Dispatch, pipeline: Pipeline): void {
    if (this.#slot >= this.#dispatchesPerSubmit) {
      this.#dispatchesPerSubmit = Math.min(2 * this.#dispatchesPerSubmit, MOST_DISPATCHES_PER_SUBMIT)
      this.#submitEncoded()
    }
    // Before the dispatch's buffers are marked as in use: a submit in between would take the marks away, and a write overtake it.
    if (this.#timer?.isFull) this.#submitEncoded()
    const bindGroup = this.#bindGroups.get(pipeline, dispatch.kernel, dispatch.tensors)
    const pass = this.#timer ? this.#openTimedPass(this.#timer, dispatch) : this.#openPass()
    if (this.#current !== pipeline) {
      pass.setPipeline(pipeline.pipeline)
      this.#current = pipeline
    }
    pass.setBindGroup(0, bindGroup)
    pass.setBindGroup(1, this.#paramsGroup, [this.#writeParams(dispatch)])
    const [x, y] = workgroupGrid(dispatch.workgroupCount)
    pass.dispatchWorkgroups(x, y)
  }

  /** Times every dispatch from now on, each in a pass of its own; undefined ends that. Submits what is recorded. */
  timeDispatches(timer: DispatchTimer | undefined): void {
    this.submit()
    this.#timer = timer
  }

  /** Names what the dispatches that `body` records belong to, for whoever times them. Phases nest; the innermost counts. */
  withinPhase<T>(phase: string, body: () => T): T {
    const outer = this.#phase
    this.#phase = phase
    try {
      return body()
    } finally {
      this.#phase = outer
    }
  }

  /** Records a copy of `from`'s elements into `to`; both have the same byte length and different buffers. */
  copy(from: Tensor, to: Tensor): void {
    this.#inOrder(() => this.#bindGroups.use(to.buffer))
    this.copyToBuffer(from, to.buffer, to.byteOffset)
  }

  /** Records the copy of a tensor to a buffer outside of the pool, such as the staging buffer of a readback. */
  copyToBuffer(from: Tensor, buffer: GPUBuffer, offsetBytes: number): void {
    this.#inOrder(() => {
      this.#bindGroups.use(from.buffer)
      this.#endPass()
      this.#openEncoder().copyBufferToBuffer(from.buffer, from.byteOffset, buffer, offsetBytes, from.byteLength)
    })
  }

  /** Records setting all elements to zero. */
  clear(tensor: Tensor): void {
    this.#inOrder(() => {
      this.#bindGroups.use(tensor.buffer)
      this.#endPass()
      this.#openEncoder().clearBuffer(tensor.buffer, tensor.byteOffset, tensor.byteLength)
    })
  }

  /** Overwrites a tensor with host data, after everything recorded before: at once where nothing that waits to be submitted uses its buffer. */
  write(tensor: Tensor, data: Float32Array | Uint32Array): void {
    this.#gpu.throwIfFailed()
    // Whoever gave the data may overwrite them before their turn comes.
    const own = this.#waiting.length === 0 ? data : data.slice()
    this.#inOrder(() => {
      // writeBuffer overtakes recorded work that is not yet submitted, and a recycled buffer may still be read by it.
      if (this.#bindGroups.isInUse(tensor.buffer)) this.#submitEncoded()
      this.#gpu.device.queue.writeBuffer(tensor.buffer, tensor.byteOffset, own as GPUAllowSharedBufferSource)
    })
  }

  #inOrder(record: () => void): void {
    if (this.#waiting.length === 0) record()
    else this.#waiting.push(record)
  }

  /** Hands everything recorded so far to the device; compiles at once what it needs. Throws the device's first failure, if it has had one. */
  submit(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const record of waiting) record()
    this.#submitEncoded()
  }

  /** As submit, but leaves what waits for pipelines where it is. */
  submitReady(): void {
    if (this.#waiting.length === 0) this.#submitEncoded()
  }

  /** As submit, after waiting for the pipelines that are being compiled. */
  async submitCompiled(): Promise<void> {
    if (this.#waiting.length > 0) await this.pipelines.settled()
    this.submit()
  }

  /** Drops what waits for pipelines, so that a run that failed does not compile on its way out. */
  abandonWaiting(): void {
    this.#waiting = []
  }

  /** Says that the device has done everything submitted. */
  deviceIsIdle(): void {
    this.#dispatchesPerSubmit = FEWEST_DISPATCHES_PER_SUBMIT
  }

  #submitEncoded(): void {
    this.#gpu.throwIfFailed()
    this.#endPass()
    const encoder = this.#encoder
    if (!encoder) return
    // writeBuffer is ordered before this submit and after the previous one, so the ring may be reused at once.
    if (this.#slot > 0) {
      this.#gpu.device.queue.writeBuffer(this.#ring, 0, this.#ringData, 0, this.#slot * PARAMS_STRIDE_BYTES)
    }
    this.#timer?.beforeSubmit(encoder)
    this.#gpu.device.queue.submit([encoder.finish()])
    this.#timer?.afterSubmit()
    this.#bindGroups.submitted()
    this.#encoder = undefined
    this.#slot = 0
  }

  /** Forgets the cached bind groups, which keep their buffers alive. Called when buffers are destroyed. */
  forgetBindGroups(): void {
    this.#bindGroups.forget()
  }

  /** Gives the device's memory back; nothing can be recorded afterwards. */
  destroy(): void {
    this.#ring.destroy()
  }

  #openEncoder(): GPUCommandEncoder {
    this.#encoder ??= this.#gpu.device.createCommandEncoder({ label: "recorder.commands" })
    return this.#encoder
  }

  #openPass(): GPUComputePassEncoder {
    this.#pass ??= this.#openEncoder().beginComputePass({ label: "recorder.pass" })
    return this.#pass
  }

  #openTimedPass(timer: DispatchTimer, dispatch: Dispatch): GPUComputePassEncoder {
    this.#endPass()
    const timestamps = timer.begin({ ...dispatch, phase: this.#phase })
    this.#pass = this.#openEncoder().beginComputePass({ label: `timed.${dispatch.kernel.name}`, ...timestamps })
    return this.#pass
  }

  #endPass(): void {
    this.#pass?.end()
    this.#pass = undefined
    this.#current = undefined
  }

  #writeParams({ kernel, params }: Dispatch): number {
    const start = this.#slot * PARAMS_STRIDE_BYTES
    this.#slot += 1
    let offset = start
    for (const name in kernel.params) {
      const value = params[name]
      if (value === undefined) throw new TypeError(`${kernel.name} was dispatched without its parameter ${name}`)
      if (kernel.params[name] === "u32") this.#ringView.setUint32(offset, value, true)
      else this.#ringView.setFloat32(offset, value, true)
      offset += 4
    }
    return start
  }
}

/** A two-dimensional grid of at least `count` workgroups; surplus workgroups return at the kernel's range guard. */
export function workgroupGrid(count: number): readonly [number, number] {
  if (count <= MAX_WORKGROUPS_PER_DIMENSION) return [count, 1]
  const rows = Math.ceil(count / MAX_WORKGROUPS_PER_DIMENSION)
  if (rows > MAX_WORKGROUPS_PER_DIMENSION) throw new MemoryMisuse(`a dispatch of ${count} workgroups exceeds the grid`)
  return [Math.ceil(count / rows), rows]
}
