// Shapes of models at the size of the edge, each with another part that takes the memory.
const base = {
  architectures: ["LlamaForCausalLM"],
  vocab_size: 8192,
  hidden_size: 256,
  intermediate_size: 1024,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
  max_position_embeddings: 4096,
}

/** Fields of config.json, by what is large in them. */
export const EDGE_SHAPES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "5 M parameters": base,
  "many layers": { ...base, num_hidden_layers: 8 },
  "many heads": { ...base, num_attention_heads: 16, num_key_value_heads: 16, head_dim: 32, intermediate_size: 256 },
  "an untied head": { ...base, vocab_size: 16_000, tie_word_embeddings: false },
  "a large vocabulary": {
    ...base,
    architectures: ["Gemma2ForCausalLM"],
    vocab_size: 64_000,
    hidden_size: 128,
    intermediate_size: 256,
    num_hidden_layers: 2,
    head_dim: 64,
    hidden_activation: "gelu_pytorch_tanh",
  },
}
