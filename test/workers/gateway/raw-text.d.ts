// Vite's `?raw`: a file's content as a string.
declare module "*.jsonl?raw" {
  const text: string
  export default text
}
declare module "*.json?raw" {
  const text: string
  export default text
}
