"""Records LoRA adapters in the forms that peft writes, with log-probs as peft computes them in float64: rank-stabilised scaling, ranks and
alphas by pattern, a regular expression of targets, chosen layers, all linear modules. Unlike the other recordings this one needs peft."""
import json
import os
import platform

import numpy
import peft
import torch
import transformers

from files import write_json, write_rows_json
from verify_with_transformers import GOLDEN, load, scores

SEED = 51
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ADAPTERS = {
    "rank-stabilised": ("llama", {"r": 4, "lora_alpha": 8, "use_rslora": True, "target_modules": ["q_proj", "v_proj", "down_proj"]}),
    "patterns": (
        "qwen3",
        {
            "r": 4,
            "lora_alpha": 8,
            "target_modules": [*ATTENTION, "gate_proj"],
            "rank_pattern": {"k_proj": 2, "layers.1.self_attn.q_proj": 6},
            "alpha_pattern": {"v_proj": 3, "layers.0.mlp.gate_proj": 16},
        },
    ),
    "patterns-rank-stabilised": (
        "llama",
        {"r": 4, "lora_alpha": 8, "use_rslora": True, "target_modules": ATTENTION, "rank_pattern": {"o_proj": 1}, "alpha_pattern": {"q_proj": 5}},
    ),
    "target-expression": ("llama", {"r": 3, "lora_alpha": 6, "target_modules": r"model\.layers\.\d+\.(self_attn\.[qk]|mlp\.up)_proj"}),
    "chosen-layers": ("gemma2", {"r": 4, "lora_alpha": 4, "target_modules": ["layers.0.self_attn.q_proj", "layers.2.mlp.up_proj"]}),
    "all-linear": ("qwen2", {"r": 2, "lora_alpha": 7, "target_modules": "all-linear"}),
}


def record(index, name, model_name, options):
    model_folder = os.path.join(GOLDEN, "models", model_name)
    config = peft.LoraConfig(task_type="CAUSAL_LM", base_model_name_or_path=f"golden/{model_name}", **options)
    model = peft.get_peft_model(load(model_folder, "config.json"), config).eval()
    stream = numpy.random.RandomState(SEED + index)
    for _, parameter in sorted((n, p) for n, p in model.named_parameters() if "lora_" in n):
        values = torch.from_numpy(0.25 * stream.uniform(-1, 1, tuple(parameter.shape)))
        parameter.data = values.float().double()
    folder = os.path.join(GOLDEN, "adapters", name)
    with open(os.path.join(model_folder, "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    with torch.no_grad():
        log_probs = scores(model, expected)
    effect = (log_probs - torch.tensor(expected["logProbs"])).abs().max().item()
    assert effect > 0.1, (name, effect)
    for parameter in model.parameters():
        parameter.data = parameter.data.float()
    model.save_pretrained(folder, save_embedding_layers=False)
    for stranger in set(os.listdir(folder)) - {"adapter_config.json", "adapter_model.safetensors"}:
        os.remove(os.path.join(folder, stranger))
    settle(os.path.join(folder, "adapter_config.json"), f"golden/{model_name}")
    recorded = {
        "versions": {
            "peft": peft.__version__,
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seed": SEED + index,
        },
        "about": "log-probs of the model's recorded pairs with this adapter, pair by pair, chosen before rejected; nats",
        "model": model_name,
        "logProbs": log_probs.tolist(),
    }
    write_rows_json(os.path.join(folder, "expected.json"), recorded)
    print(f"{name} on {model_name}: moves log-probs by up to {effect:.2f} nats")


def settle(path, base_model):
    """peft writes a set in the order of its hashes, and the folder that it read: both differ from run to run."""
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["base_model_name_or_path"] = base_model
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    write_json(path, config)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    for index, (name, (model_name, options)) in enumerate(ADAPTERS.items()):
        record(index, name, model_name, options)
