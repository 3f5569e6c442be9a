"""The recorded models: config.json exactly as transformers 4.57.6 writes it, sizes small, every special feature of the family active.
`alternatives` are the same model's config.json as other versions of transformers write it: they must mean the same."""
import copy

VOCABULARY = 64

_BASE = {
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "dtype": "float32",
    "eos_token_id": 2,
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 48,
    "max_position_embeddings": 512,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
    "transformers_version": "4.57.6",
    "use_cache": True,
    "vocab_size": VOCABULARY,
}

_LLAMA = {
    **_BASE,
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "head_dim": 8,
    "hidden_act": "silu",
    "mlp_bias": False,
    "model_type": "llama",
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
}

# With heads of 16 and this original length, frequency 0 is kept, 1 and 2 are interpolated, 3 to 7 are divided by the factor.
_LLAMA3_SCALING = {
    "factor": 8.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 64,
    "rope_type": "llama3",
}

_MISTRAL = {
    **_BASE,
    "architectures": ["MistralForCausalLM"],
    "head_dim": 8,
    "hidden_act": "silu",
    "hidden_size": 40,
    "model_type": "mistral",
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "sliding_window": 5,
}

_QWEN2 = {
    **_BASE,
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_act": "silu",
    "layer_types": ["full_attention", "sliding_attention"],
    "max_window_layers": 1,
    "model_type": "qwen2",
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000.0,
    "sliding_window": 5,
    "tie_word_embeddings": True,
    "use_sliding_window": True,
}

_QWEN3 = {
    **_BASE,
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "head_dim": 16,
    "hidden_act": "silu",
    "layer_types": ["full_attention", "full_attention"],
    "max_window_layers": 2,
    "model_type": "qwen3",
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "use_sliding_window": False,
}

_GEMMA = {
    **_BASE,
    "attention_bias": False,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "hidden_activation": "gelu_pytorch_tanh",
    "intermediate_size": 40,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-06,
}
# Gemma's head is tied unless the config says otherwise, and transformers 4 leaves out what it takes for the default.
del _GEMMA["tie_word_embeddings"]

_GEMMA2 = {
    **_GEMMA,
    "architectures": ["Gemma2ForCausalLM"],
    "attn_logit_softcapping": 2.0,
    "cache_implementation": "hybrid",
    "final_logit_softcapping": 3.0,
    "head_dim": 16,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "model_type": "gemma2",
    "num_hidden_layers": 3,
    "query_pre_attn_scalar": 24,
    "rope_theta": 10000.0,
    "sliding_window": 6,
}

_GEMMA3 = {
    **_GEMMA,
    # transformers writes its own default here, whatever layer_types says: layer_types decides.
    "_sliding_window_pattern": 6,
    "architectures": ["Gemma3ForCausalLM"],
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "head_dim": 16,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
    "model_type": "gemma3_text",
    "num_hidden_layers": 4,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 20,
    "rope_local_base_freq": 100.0,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "rope_theta": 10000.0,
    "sliding_window": 4,
    "use_bidirectional_attention": False,
}


def _without(config, *names, **more):
    return {**{key: value for key, value in config.items() if key not in names}, **more}


def _version5(config):
    """transformers 5 keeps all that concerns rotary positions in rope_parameters."""
    theta, scaling = config["rope_theta"], config.get("rope_scaling") or {"rope_type": "default"}
    parameters = {**scaling, "rope_theta": theta}
    if config["model_type"] == "gemma3_text":
        local = {"rope_theta": config["rope_local_base_freq"], "rope_type": "default"}
        parameters = {"full_attention": parameters, "sliding_attention": local}
    dropped = ["rope_theta", "rope_scaling", "rope_local_base_freq"]
    added = {"rope_parameters": parameters, "transformers_version": "5.18.0", "tie_word_embeddings": is_tied(config)}
    if config["model_type"] == "gemma2":
        added["use_bidirectional_attention"] = None
    return {"pad_token_id": None, **_without(config, *dropped), **added}


def is_tied(config):
    """Whether the head is the embedding."""
    return config.get("tie_word_embeddings", config["model_type"].startswith("gemma"))


def _version444(config):
    """Before 4.56 the dtype was torch_dtype, before 4.53 Gemma and Qwen had no layer_types."""
    older = _without(config, "dtype", "layer_types", torch_dtype=config["dtype"], transformers_version="4.44.0")
    if "_sliding_window_pattern" in older:
        del older["_sliding_window_pattern"]
        older["sliding_window_pattern"] = config["layer_types"].index("full_attention") + 1
    return older


def _variant(seed, config, dtype="F32", shards=1, **overrides):
    config = {**copy.deepcopy(config), **overrides}
    config["dtype"] = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}[dtype]
    return {
        "seed": seed,
        "config": config,
        "dtype": dtype,
        "shards": shards,
        "alternatives": {"config.v4.44.json": _version444(config), "config.v5.json": _version5(config)},
    }


VARIANTS = {
    "llama": _variant(1, _LLAMA),
    "llama3-rope": _variant(
        2, _LLAMA, "BF16", head_dim=16, num_attention_heads=2, num_key_value_heads=1, rope_scaling=_LLAMA3_SCALING
    ),
    "llama-linear-rope": _variant(3, _LLAMA, rope_scaling={"factor": 4.0, "rope_type": "linear"}),
    "llama-tied": _variant(4, _LLAMA, "F16", tie_word_embeddings=True),
    "mistral": _variant(5, _MISTRAL),
    "qwen2": _variant(6, _QWEN2, shards=2),
    "qwen3": _variant(7, _QWEN3),
    "gemma2": _variant(8, _GEMMA2),
    "gemma3": _variant(9, _GEMMA3),
}
