// What wrangler's CompiledWasm rule makes of a `.wasm` import.
declare module "*.wasm" {
  const compiledModule: WebAssembly.Module
  export default compiledModule
}
