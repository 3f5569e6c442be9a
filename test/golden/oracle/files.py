"""Hugging Face folders on disk, and JSON with a stable layout."""
import json
import os
import platform

import numpy
import torch

import tensor_files
from decoder import TARGETS
from random_model import ALPHA, RANK, peft_tensors
from variants import VOCABULARY

GOLDEN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def single_threaded():
    """Sums in one order, whatever the machine's number of cores."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)


def versions(seed):
    """What a recording depends on."""
    return {
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "dtype": "float64",
        "seed": seed,
    }


def write_json(path, value, indent=2):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=indent, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def write_rows_json(path, value):
    """JSON whose innermost lists of numbers stand on one line each."""
    text = json.dumps(_marked(value), indent=1, ensure_ascii=False, allow_nan=False)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace('"⟦', "[").replace('⟧"', "]") + "\n")


def _marked(value):
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        if all(isinstance(item, (int, float, bool)) for item in value):
            return "⟦" + json.dumps(value, allow_nan=False)[1:-1] + "⟧"
        return [_marked(item) for item in value]
    return value


def write_model(folder, variant, weights):
    """config.json (and its alternatives), weights in one file or in shards with an index, and a tokenizer of single letters."""
    os.makedirs(folder, exist_ok=True)
    for name, config in {"config.json": variant["config"], **variant["alternatives"]}.items():
        write_json(os.path.join(folder, name), dict(sorted(config.items())))
    names, shards = sorted(weights), variant["shards"]
    if shards == 1:
        tensor_files.write(os.path.join(folder, "model.safetensors"), weights)
    else:
        weight_map = {}
        for index in range(shards):
            file_name = f"model-{index + 1:05}-of-{shards:05}.safetensors"
            part = {name: weights[name] for name in names[index::shards]}
            tensor_files.write(os.path.join(folder, file_name), part)
            weight_map.update({name: file_name for name in part})
        total = sum(weight.numel() * weight.element_size() for weight in weights.values())
        index_json = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        write_json(os.path.join(folder, "model.safetensors.index.json"), index_json)
    _write_tokenizer(folder, variant["config"])


def _write_tokenizer(folder, config):
    """Byte-level BPE without merges over the specials and 61 printable characters: enough to be read, no test tokenises with it."""
    specials = ["<unk>"] + sorted(["<s>", "</s>"], key=lambda t: config["bos_token_id" if t == "<s>" else "eos_token_id"])
    vocabulary = {token: index for index, token in enumerate(specials + [chr(48 + i) for i in range(VOCABULARY - 3)])}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary[content], "content": content, **flags} for content in specials],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }
    write_json(os.path.join(folder, "tokenizer.json"), tokenizer, indent=None)
    settings = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(os.path.join(folder, "tokenizer_config.json"), settings)


def write_adapter(folder, adapter, base_model):
    """A PEFT folder, with the fields that peft 0.21 writes."""
    os.makedirs(folder, exist_ok=True)
    config = {
        "alora_invocation_tokens": None,
        "alpha_pattern": {},
        "arrow_config": None,
        "auto_mapping": None,
        "base_model_name_or_path": base_model,
        "bias": "none",
        "corda_config": None,
        "ensure_weight_tying": False,
        "eva_config": None,
        "exclude_modules": None,
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "kasa_config": None,
        "layer_replication": None,
        "layers_pattern": None,
        "layers_to_transform": None,
        "loftq_config": {},
        "lora_alpha": ALPHA,
        "lora_bias": False,
        "lora_dropout": 0.0,
        "lora_ga_config": None,
        "megatron_config": None,
        "megatron_core": "megatron.core",
        "modules_to_save": None,
        "monteclora_config": None,
        "peft_type": "LORA",
        "peft_version": "0.21.0",
        "qalora_group_size": 16,
        "r": RANK,
        "rank_pattern": {},
        "revision": None,
        "target_modules": TARGETS,
        "target_parameters": None,
        "task_type": "CAUSAL_LM",
        "trainable_token_indices": None,
        "use_bdlora": None,
        "use_dora": False,
        "use_qalora": False,
        "use_rslora": False,
        "velora_config": None,
    }
    write_json(os.path.join(folder, "adapter_config.json"), config)
    tensor_files.write(os.path.join(folder, "adapter_model.safetensors"), peft_tensors(adapter))
