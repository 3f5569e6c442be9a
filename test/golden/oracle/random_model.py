"""Seeded random weights, adapters and token ids. numpy's RandomState is a frozen stream: the same on every version and machine."""
import numpy
import torch

from decoder import TARGETS, module_paths
from variants import is_tied

_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
RANK = 4
ALPHA = 8


def linear_shapes(config):
    """[out, in] of the seven linear modules by name."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    head_size = config.get("head_dim") or hidden // config["num_attention_heads"]
    query, key = config["num_attention_heads"] * head_size, config["num_key_value_heads"] * head_size
    shapes = [(query, hidden), (key, hidden), (key, hidden), (hidden, query)]
    return dict(zip(TARGETS, [*shapes, (inner, hidden), (inner, hidden), (hidden, inner)]))


def random_weights(config, dtype, seed):
    """All tensors of the model by Hugging Face name, in the dtype they are stored in."""
    stream = numpy.random.RandomState(seed)
    hidden, family = config["hidden_size"], config["model_type"]
    is_gemma = family.startswith("gemma")
    weights = {}

    def add(name, shape, deviation, mean=0.0):
        values = mean + deviation * stream.standard_normal(shape)
        weights[f"{name}"] = torch.from_numpy(values).to(_DTYPES[dtype])

    def add_norm(name, size=hidden):
        add(f"{name}.weight", (size,), 0.3, 0.0 if is_gemma else 1.0)

    add("model.embed_tokens.weight", (config["vocab_size"], hidden), 0.25 if is_tied(config) else 0.7)
    for index in range(config["num_hidden_layers"]):
        path = f"model.layers.{index}"
        add_norm(f"{path}.input_layernorm")
        for name, (out, inputs) in linear_shapes(config).items():
            block = "self_attn" if name in TARGETS[:4] else "mlp"
            add(f"{path}.{block}.{name}.weight", (out, inputs), 1.2 / inputs**0.5)
            if family == "qwen2" and name in TARGETS[:3]:
                add(f"{path}.{block}.{name}.bias", (out,), 0.5)
        if family in ("qwen3", "gemma3_text"):
            add_norm(f"{path}.self_attn.q_norm", config["head_dim"])
            add_norm(f"{path}.self_attn.k_norm", config["head_dim"])
        add_norm(f"{path}.post_attention_layernorm")
        if is_gemma:
            add_norm(f"{path}.pre_feedforward_layernorm")
            add_norm(f"{path}.post_feedforward_layernorm")
    add_norm("model.norm")
    if not is_tied(config):
        add("lm_head.weight", (config["vocab_size"], hidden), 1.2 / hidden**0.5)
    return weights


def random_adapter(config, seed, zero_b=False):
    """(A [r, in], B [out, r]) of every linear module, f32. A as PEFT draws it (uniform in ±1/√in); B zero, or not."""
    stream = numpy.random.RandomState(seed)
    shapes = linear_shapes(config)
    adapter = {}
    for path in module_paths(config["num_hidden_layers"]):
        out, inputs = shapes[path.rsplit(".", 1)[1]]
        a = stream.uniform(-1, 1, (RANK, inputs)) / inputs**0.5
        b = 0.0 * stream.uniform(-1, 1, (out, RANK)) if zero_b else 0.2 * stream.uniform(-1, 1, (out, RANK))
        adapter[path] = (torch.from_numpy(a + 0.0).float(), torch.from_numpy(b + 0.0).float())
    return adapter


def peft_tensors(adapter):
    """An adapter's matrices by the names that PEFT gives them."""
    tensors = {}
    for path, (a, b) in adapter.items():
        tensors[f"base_model.model.{path}.lora_A.weight"] = a
        tensors[f"base_model.model.{path}.lora_B.weight"] = b
    return tensors


def random_pairs(lengths, seed, vocabulary):
    """Pairs of token ids with the given [prompt, chosen, rejected] lengths. Id 0 does not occur: it is Gemma's padding, whose embedding
    transformers gives no gradient (nn.Embedding's padding_idx), and which no real text holds."""
    stream = numpy.random.RandomState(seed)
    names = ["promptIds", "chosenIds", "rejectedIds"]
    return [
        {name: stream.randint(1, vocabulary, size).tolist() for name, size in zip(names, sizes)} for sizes in lengths
    ]
