"""The decoder families in float64, one sequence at a time, written from their published definitions: transformers' modeling_llama.py,
modeling_mistral.py, modeling_qwen2.py, modeling_qwen3.py, modeling_gemma2.py, modeling_gemma3.py, modeling_rope_utils.py and
masking_utils.py. Nothing here is taken from, or shared with, the engine that it judges. Not for speed."""
import dataclasses
import math
from typing import Optional, Tuple

import torch

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclasses.dataclass(frozen=True)
class Rope:
    """inv_freq of modeling_rope_utils: `scaling` is None, ("linear", factor) or ("llama3", factor, low, high, original)."""

    theta: float
    scaling: Optional[tuple] = None

    def inverse_frequencies(self, head_size):
        exponents = torch.arange(0, head_size, 2, dtype=torch.float64) / head_size
        frequencies = 1.0 / self.theta**exponents
        if self.scaling is None:
            return frequencies
        if self.scaling[0] == "linear":
            return frequencies / self.scaling[1]
        _, factor, low, high, original = self.scaling
        wave_lengths = 2 * math.pi / frequencies
        smooth = (original / wave_lengths - low) / (high - low)
        between = (1 - smooth) * frequencies / factor + smooth * frequencies
        scaled = torch.where(wave_lengths > original / low, frequencies / factor, between)
        return torch.where(wave_lengths < original / high, frequencies, scaled)


@dataclasses.dataclass(frozen=True)
class Semantics:
    """What a config.json of transformers means. `layers` holds (window or None, Rope) of each layer."""

    head_count: int
    key_value_head_count: int
    head_size: int
    epsilon: float
    layers: Tuple[Tuple[Optional[int], Rope], ...]
    tied: bool
    biases: bool = False
    query_key_norm: bool = False
    norm_offset: float = 0.0
    gemma_norms: bool = False
    gelu: bool = False
    embedding_scale: float = 1.0
    attention_scale: float = 1.0
    attention_cap: Optional[float] = None
    final_cap: Optional[float] = None


def semantics_of(config):
    """Reads a config.json as transformers 4.57 writes it."""
    family = config["model_type"]
    count = config["num_hidden_layers"]
    head_size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    scaling = config.get("rope_scaling")
    if scaling is not None and scaling["rope_type"] == "linear":
        scaling = ("linear", scaling["factor"])
    elif scaling is not None:
        keys = ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
        scaling = ("llama3", *[scaling[key] for key in keys])
    rope = Rope(config["rope_theta"], scaling)
    window = config.get("sliding_window")
    if family == "llama":
        layers = [(None, rope)] * count
    elif family == "mistral":
        layers = [(window, rope)] * count
    else:
        local = Rope(config["rope_local_base_freq"]) if family == "gemma3_text" else rope
        layers = [(window, local) if kind == "sliding_attention" else (None, rope) for kind in config["layer_types"]]
    is_gemma = family.startswith("gemma")
    return Semantics(
        head_count=config["num_attention_heads"],
        key_value_head_count=config["num_key_value_heads"],
        head_size=head_size,
        epsilon=config["rms_norm_eps"],
        layers=tuple(layers),
        tied=config.get("tie_word_embeddings", is_gemma),
        biases=family == "qwen2",
        query_key_norm=family in ("qwen3", "gemma3_text"),
        norm_offset=1.0 if is_gemma else 0.0,
        gemma_norms=is_gemma,
        gelu=is_gemma,
        embedding_scale=config["hidden_size"] ** 0.5 if is_gemma else 1.0,
        attention_scale=config["query_pre_attn_scalar"] ** -0.5 if is_gemma else head_size**-0.5,
        attention_cap=config["attn_logit_softcapping"] if family == "gemma2" else None,
        final_cap=config["final_logit_softcapping"] if is_gemma else None,
    )


def _rms_norm(semantics, x, weight):
    normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + semantics.epsilon)
    return normed * (semantics.norm_offset + weight)


def _rotate(x, cosine, sine):
    """x [heads, T, D]; the two halves of a head are the two coordinates (rotate_half), not neighbouring elements."""
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


def _soft_cap(x, cap):
    return x if cap is None else cap * torch.tanh(x / cap)


def forward(semantics, weights, token_ids, adapter=None, scaling=0.0):
    """Logits [T, V] of one sequence. `weights` by Hugging Face name; `adapter` maps a module path to (A [r, in], B [out, r])."""
    head = weights["model.embed_tokens.weight"] if semantics.tied else weights["lm_head.weight"]
    return _soft_cap(hidden_states(semantics, weights, token_ids, adapter, scaling) @ head.T, semantics.final_cap)


def hidden_states(semantics, weights, token_ids, adapter=None, scaling=0.0):
    """[T, C] after the final norm: last_hidden_state of transformers' models."""

    def linear(path, x):
        y = x @ weights[f"{path}.weight"].T
        if f"{path}.bias" in weights:
            y = y + weights[f"{path}.bias"]
        if adapter is not None:
            a, b = adapter[path]
            y = y + scaling * (x @ a.T) @ b.T
        return y

    def norm(name, x):
        return _rms_norm(semantics, x, weights[f"{name}.weight"])

    ids = torch.tensor(token_ids, dtype=torch.int64)
    embedding = weights["model.embed_tokens.weight"]
    rows = embedding[ids] * semantics.embedding_scale
    for index, (window, rope) in enumerate(semantics.layers):
        path = f"model.layers.{index}"
        attended = _attention(semantics, window, rope, path, linear, norm, norm(f"{path}.input_layernorm", rows))
        if semantics.gemma_norms:
            rows = rows + norm(f"{path}.post_attention_layernorm", attended)
            activated = _mlp(semantics, path, linear, norm(f"{path}.pre_feedforward_layernorm", rows))
            rows = rows + norm(f"{path}.post_feedforward_layernorm", activated)
        else:
            rows = rows + attended
            rows = rows + _mlp(semantics, path, linear, norm(f"{path}.post_attention_layernorm", rows))
    return norm("model.norm", rows)


def reward(semantics, weights, score, token_ids, pad_token_id):
    """What transformers' ...ForSequenceClassification gives with one label: the score of the last token that is no padding, for padding at either end."""
    ids = torch.tensor(token_ids, dtype=torch.int64)
    last = (torch.arange(len(token_ids)) * (ids != pad_token_id)).argmax()
    return (hidden_states(semantics, weights, token_ids)[last] @ score).item()


def _attention(semantics, window, rope, path, linear, norm, x):
    length, head_size = x.shape[0], semantics.head_size

    def heads(name, count):
        return linear(f"{path}.self_attn.{name}", x).view(length, count, head_size).transpose(0, 1)

    query, key = heads("q_proj", semantics.head_count), heads("k_proj", semantics.key_value_head_count)
    value = heads("v_proj", semantics.key_value_head_count)
    if semantics.query_key_norm:
        query, key = norm(f"{path}.self_attn.q_norm", query), norm(f"{path}.self_attn.k_norm", key)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), rope.inverse_frequencies(head_size))
    angles = torch.cat((angles, angles), dim=-1)
    query, key = (_rotate(part, angles.cos(), angles.sin()) for part in (query, key))
    groups = semantics.head_count // semantics.key_value_head_count
    key, value = (part.repeat_interleave(groups, dim=0) for part in (key, value))
    scores = _soft_cap(query @ key.transpose(1, 2) * semantics.attention_scale, semantics.attention_cap)
    positions = torch.arange(length)
    visible = positions[None, :] <= positions[:, None]
    if window is not None:
        visible = visible & (positions[None, :] > positions[:, None] - window)
    probabilities = scores.masked_fill(~visible, -math.inf).softmax(dim=-1)
    attended = (probabilities @ value).transpose(0, 1).reshape(length, semantics.head_count * head_size)
    return linear(f"{path}.self_attn.o_proj", attended)


def _mlp(semantics, path, linear, x):
    gate = linear(f"{path}.mlp.gate_proj", x)
    if semantics.gelu:
        inner = math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)
        activated = 0.5 * gate * (1 + torch.tanh(inner))
    else:
        activated = gate * torch.sigmoid(gate)
    return linear(f"{path}.mlp.down_proj", activated * linear(f"{path}.mlp.up_proj", x))


def response_logits(semantics, weights, prompt, response, adapter=None, scaling=0.0):
    """Logits [R, V] of the positions that predict the response's tokens; the response stands alone behind its prompt."""
    logits = forward(semantics, weights, [*prompt, *response], adapter, scaling)
    return logits[len(prompt) - 1 : -1]


def token_log_probs(logits, response):
    """[R], nats."""
    return logits.log_softmax(-1)[torch.arange(len(response)), torch.tensor(response)]


def module_paths(layer_count):
    """The paths of the seven linear modules of every layer."""
    block = {name: "self_attn" if name in TARGETS[:4] else "mlp" for name in TARGETS}
    return [f"model.layers.{index}.{block[name]}.{name}" for index in range(layer_count) for name in TARGETS]
