"""Holds the recordings against transformers itself (and peft, where installed): every model folder is loaded by AutoModelForCausalLM from
each of its config.json files and must give the recorded log-probs and gradients in float64, and transformers must write the very config that
was recorded. Needs torch 2, transformers 4.57 or 5."""
import json
import os
import shutil
import sys
import tempfile

import torch
import transformers

GOLDEN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# transformers computes norms, softmax and rotary angles in float32, whatever the weights' type.
LOG_PROB_TOLERANCE = 2e-5
GRADIENT_TOLERANCE = 2e-5


def responses_of(expected):
    return [(pair["promptIds"], pair[name]) for pair in expected["pairs"] for name in ("chosenIds", "rejectedIds")]


def scores(model, expected):
    """Token log-probs of every response alone, and entropies."""
    results = []
    for prompt, response in responses_of(expected):
        logits = model(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
        results.append(logits.log_softmax(-1)[torch.arange(len(response)), torch.tensor(response)])
    return torch.cat(results)


def relative(actual, expected):
    """Largest difference by the largest expected value, as the engine's tests measure it."""
    return ((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-12)).item()


def check_model(model, expected, tensors, log_probs_name, rename):
    log_probs = scores(model, expected)
    upstream = torch.tensor(expected["upstream"], dtype=torch.float64)
    (upstream * log_probs).sum().backward()
    worst_log_prob = (log_probs.detach() - torch.tensor(expected[log_probs_name], dtype=torch.float64)).abs().max().item()
    trained = {rename(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    wanted = {name for name in tensors if name.startswith("gradient.") and ("lora" in name) == (log_probs_name == "loraLogProbs")}
    assert {f"gradient.{name}" for name in trained} == wanted, sorted(wanted ^ {f"gradient.{name}" for name in trained})[:4]
    worst = max(relative(p.grad, tensors[f"gradient.{name}"].double()) for name, p in trained.items())
    assert worst_log_prob < LOG_PROB_TOLERANCE and worst < GRADIENT_TOLERANCE, (worst_log_prob, worst)
    return worst_log_prob, worst


def load(folder, config_name):
    """The folder with one of its configs in place of config.json."""
    with tempfile.TemporaryDirectory() as directory:
        for name in os.listdir(folder):
            if name.startswith("model"):
                shutil.copy(os.path.join(folder, name), directory)
        shutil.copy(os.path.join(folder, config_name), os.path.join(directory, "config.json"))
        model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64, attn_implementation="eager")
    return model.eval()


def check_config(folder):
    """What this version of transformers writes for the model is the config recorded for it, but for the version and the type it was loaded in."""
    name = "config.json" if transformers.__version__.startswith("4.") else "config.v5.json"
    with tempfile.TemporaryDirectory() as directory:
        load(folder, name).save_pretrained(directory)
        with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
            written = json.load(file)
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        recorded = json.load(file)
    for key in ("dtype", "transformers_version"):
        del written[key], recorded[key]
    assert written == recorded, (folder, name, set(map(str, written.items())) ^ set(map(str, recorded.items())))


def main():
    from safetensors.torch import load_file

    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    for variant in sorted(os.listdir(os.path.join(GOLDEN, "models"))):
        folder = os.path.join(GOLDEN, "models", variant)
        with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
            expected = json.load(file)
        tensors = load_file(os.path.join(folder, "expected.safetensors"))
        for config_name in sorted(name for name in os.listdir(folder) if name.startswith("config")):
            if ".v5." in config_name and transformers.__version__.startswith("4."):
                continue
            found = check_model(load(folder, config_name), expected, tensors, "logProbs", lambda name: name)
            print(f"{variant} {config_name}: log-prob {found[0]:.1e} nats, gradient {found[1]:.1e}")
        check_config(folder)
        check_adapter(folder, variant, expected, tensors)


def check_adapter(folder, variant, expected, tensors):
    try:
        import peft
    except ImportError:
        return print("peft is not installed: the adapter was not checked")
    model = peft.PeftModel.from_pretrained(load(folder, "config.json"), os.path.join(folder, "adapter"), is_trainable=True)
    model = model.double()
    found = check_model(model, expected, tensors, "loraLogProbs", lambda name: name.replace(".default.", "."))
    print(f"{variant} adapter (peft {peft.__version__}): log-prob {found[0]:.1e} nats, gradient {found[1]:.1e}")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    sys.exit(main())
