"""Records twelve optimiser steps of α-DPO (adaptive statistics) on recorded models in float64: LoRA from a fresh adapter on llama and
gemma2, a full fine-tune of llama. torch.optim.AdamW, transformers' cosine schedule with warm-up, clip_grad_norm_, four pairs a step."""
import math
import os
import re

import torch

from decoder import response_logits, semantics_of, token_log_probs
from files import GOLDEN, single_threaded, versions, write_adapter, write_rows_json
from preference_losses import GapStatistics, means, step_loss, sums
from random_model import ALPHA, RANK, peft_tensors, random_adapter, random_pairs, random_weights
from variants import VARIANTS, VOCABULARY

PAIRS_PER_STEP = 4
EPOCHS = 2
LENGTHS = [[6, 5, 8], [3, 7, 2], [9, 4, 4], [1, 6, 3], [7, 1, 5], [4, 9, 6], [8, 3, 7], [5, 6, 1]] * 3

COMMON = {
    "method": "alpha-dpo",
    "beta": 2.5,
    "gammaBetaRatio": 0.6,
    "alpha": 0.2,
    "labelSmoothing": 0.0,
    "statistics": "adaptive",
    "gapStdFloor": 1e-3,
    "batch": PAIRS_PER_STEP,
    "epochs": EPOCHS,
    "schedule": "cosine",
    "warmupRatio": 0.1,
    "weightDecay": 0.1,
    "adamBeta1": 0.9,
    "adamBeta2": 0.999,
    "adamEpsilon": 1e-8,
    "maxGradNorm": 1.0,
    "shuffle": False,
}
RUNS = {
    "llama-lora": {"model": "llama", "seed": 41, "config": {**COMMON, "learningRate": 5e-3, "loraRank": RANK, "loraAlpha": ALPHA}},
    "gemma2-lora": {"model": "gemma2", "seed": 42, "config": {**COMMON, "learningRate": 5e-3, "loraRank": RANK, "loraAlpha": ALPHA}},
    "llama-full": {"model": "llama", "seed": 43, "config": {**COMMON, "learningRate": 1e-3, "loraRank": 0}},
}


def learning_rate(config, step, step_count):
    """get_cosine_schedule_with_warmup; `step` from 0, warm-up steps = ceil(ratio · steps)."""
    warmup = math.ceil(config["warmupRatio"] * step_count)
    if step < warmup:
        return config["learningRate"] * step / max(1, warmup)
    progress = (step - warmup) / max(1, step_count - warmup)
    return config["learningRate"] * max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


def decays(name):
    """What transformers' Trainer.get_decay_parameter_names lets decay: all but biases and norms. LoRA matrices decay."""
    return not re.search(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)", name)


class Policy:
    """The trained tensors by name, and log-probs under them."""

    def __init__(self, config, weights, adapter):
        self.semantics = semantics_of(config)
        leaf = lambda tensor: tensor.double().requires_grad_()
        if adapter is None:
            self.weights, self.adapter = {name: leaf(weight) for name, weight in weights.items()}, None
            self.trained = self.weights
        else:
            self.weights = {name: weight.double() for name, weight in weights.items()}
            self.adapter = {path: (leaf(a), leaf(b)) for path, (a, b) in adapter.items()}
            self.trained = peft_tensors(self.adapter)

    def log_probs(self, pairs, name):
        """Token log-probs of each pair's response, alone behind its prompt."""
        score = lambda prompt, ids: response_logits(self.semantics, self.weights, prompt, ids, self.adapter, ALPHA / RANK)
        return [token_log_probs(score(pair["promptIds"], pair[name]), pair[name]) for pair in pairs]

    def reference(self, pairs):
        with torch.no_grad():
            chosen, rejected = self.log_probs(pairs, "chosenIds"), self.log_probs(pairs, "rejectedIds")
        return [{"chosen": c, "rejected": r} for c, r in zip(chosen, rejected)]


def train(policy, pairs, config):
    """One object per optimiser step."""
    references = policy.reference(pairs)
    groups = [
        {"params": [p for name, p in policy.trained.items() if decays(name)], "weight_decay": config["weightDecay"]},
        {"params": [p for name, p in policy.trained.items() if not decays(name)], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config["learningRate"],
        betas=(config["adamBeta1"], config["adamBeta2"]),
        eps=config["adamEpsilon"],
    )
    statistics, steps = GapStatistics(), []
    per_epoch = len(pairs) // PAIRS_PER_STEP
    for index in range(EPOCHS * per_epoch):
        first = index % per_epoch * PAIRS_PER_STEP
        batch, reference = pairs[first : first + PAIRS_PER_STEP], references[first : first + PAIRS_PER_STEP]
        step = {
            "policyChosen": policy.log_probs(batch, "chosenIds"),
            "policyRejected": policy.log_probs(batch, "rejectedIds"),
            "referenceChosen": [r["chosen"] for r in reference],
            "referenceRejected": [r["rejected"] for r in reference],
            "statistics": statistics,
        }
        loss, _ = step_loss(step, config)
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(policy.trained.values(), config["maxGradNorm"])
        rate = learning_rate(config, index, EPOCHS * per_epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        steps.append(metrics(step, loss, norm, rate))
    return steps


def metrics(step, loss, norm, rate):
    with torch.no_grad():
        ratio = means(step["policyChosen"]) - means(step["policyRejected"])
        gaps = ratio - (means(step["referenceChosen"]) - means(step["referenceRejected"]))
        return {
            "loss": loss.item(),
            "grad_norm": norm.item(),
            "gap/mean": gaps.mean().item(),
            "gap/std": gaps.std(unbiased=True).item(),
            "learning_rate": rate,
            "logps/chosen": sums(step["policyChosen"]).mean().item(),
            "logps/rejected": sums(step["policyRejected"]).mean().item(),
        }


def record(name, run):
    variant, config = VARIANTS[run["model"]], run["config"]
    weights = random_weights(variant["config"], variant["dtype"], variant["seed"])
    adapter = None
    if config["loraRank"] > 0:
        adapter = random_adapter(variant["config"], run["seed"], zero_b=True)
        write_adapter(os.path.join(GOLDEN, "trajectories", name, "adapter"), adapter, f"golden/{run['model']}")
    pairs = random_pairs(LENGTHS, 1000 + run["seed"], VOCABULARY)
    steps = train(Policy(variant["config"], weights, adapter), pairs, config)
    recorded = {
        "versions": versions(run["seed"]),
        "about": "metrics of each step are taken before its update; grad_norm before clipping; gap/std is the sample deviation; nats",
        "model": run["model"],
        "config": config,
        "pairs": pairs,
        "steps": steps,
    }
    os.makedirs(os.path.join(GOLDEN, "trajectories", name), exist_ok=True)
    write_rows_json(os.path.join(GOLDEN, "trajectories", name, "trajectory.json"), recorded)
    print(name)
    for step in steps:
        print("  ", {key: float(f"{value:.6g}") for key, value in step.items()})


if __name__ == "__main__":
    single_threaded()
    for name, run in RUNS.items():
        record(name, run)
