"""Holds the trajectories against transformers and peft: the same rows through AutoModelForCausalLM with PeftModel, transformers' own scheduler and
its Trainer's choice of what decays, torch 2's AdamW. Only the losses are the oracle's (verify_with_trl.py checks those)."""
import json
import os
import sys
from types import SimpleNamespace

import torch
import transformers

import training
from files import single_threaded
from verify_with_transformers import GOLDEN, load

TOLERANCE = 2e-4


class TransformersPolicy:
    """As training.Policy, with somebody else's model."""

    def __init__(self, model_name, adapter_folder):
        self.model = load(os.path.join(GOLDEN, "models", model_name), "config.json")
        if adapter_folder is not None:
            import peft

            self.model = peft.PeftModel.from_pretrained(self.model, adapter_folder, is_trainable=True).double().eval()
        self.trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def score(self, rows):
        names = ("chosenIds", "rejectedIds")
        return [{name: self.distributions(row["promptIds"], row[name]) for name in names if row[name]} for row in rows]

    def distributions(self, prompt, response):
        logits = self.model(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
        return logits.log_softmax(-1)


def check_choices(policy, config, row_count):
    """The learning rates and the names that decay are transformers' own."""
    step_count = config["epochs"] * row_count // config["batch"]
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=config["learningRate"])
    warmup = transformers.TrainingArguments("unused", warmup_steps=config["warmupRatio"], use_cpu=True, report_to=[]).get_warmup_steps(step_count)
    name = "cosine" if config["schedule"] == "cosine" else "constant_with_warmup"
    scheduler = transformers.get_scheduler(name, optimiser, warmup, step_count)
    for step in range(step_count):
        expected = training.learning_rate(config, step, step_count)
        assert abs(optimiser.param_groups[0]["lr"] - expected) < 1e-15, (step, optimiser.param_groups[0]["lr"], expected)
        optimiser.step()
        scheduler.step()
    decaying = transformers.Trainer.get_decay_parameter_names(SimpleNamespace(), policy.model)
    assert all(training.decays(name) == (name in decaying) for name in policy.trained)


def check(name, model, adapter_folder, config, rows, expected, metrics, weights=None):
    policy = TransformersPolicy(model, adapter_folder)
    check_choices(policy, config, len(rows))
    found = training.train(policy, rows, config, metrics, weights)
    worst = 0.0
    for step, (now, recorded) in enumerate(zip(found, expected)):
        for key, value in recorded.items():
            # The floor is for quantities that start at exactly 0.
            worst = max(worst, abs(now[key] - value) / max(abs(value), 1e-3))
            assert worst < TOLERANCE, (name, step, key, now[key], value)
    print(f"{name} on {model}: {worst:.1e}")


def main():
    single_threaded()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    folder = os.path.join(GOLDEN, "trajectories")
    adapter_of = lambda start: os.path.join(folder, start, "adapter")
    for name in sorted(entry for entry in os.listdir(folder) if os.path.isdir(os.path.join(folder, entry))):
        with open(os.path.join(folder, name, "trajectory.json"), encoding="utf-8") as file:
            run = json.load(file)
        adapter = adapter_of(name) if run["config"]["loraRank"] else None
        check(name, run["model"], adapter, run["config"], run["pairs"], run["steps"], training.gap_metrics)
    with open(os.path.join(folder, "methods.json"), encoding="utf-8") as file:
        recorded = json.load(file)
    for run in recorded["runs"]:
        rows = recorded["rowSets"][run["rows"]]
        check(run["name"], run["model"], adapter_of(run["start"]), run["config"], rows, run["steps"], training.plain_metrics, run.get("weights"))


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    sys.exit(main())
