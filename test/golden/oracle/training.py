"""Preference training in float64: torch.optim.AdamW, transformers' cosine schedule with warm-up, clip_grad_norm_, rows in their given order."""
import math
import re

import torch

from decoder import response_logits, semantics_of, token_log_probs
from preference_losses import GapStatistics, means, step_loss, sums
from random_model import ALPHA, RANK, peft_tensors


def learning_rate(config, step, step_count):
    """get_cosine_schedule_with_warmup or get_constant_schedule_with_warmup; `step` from 0, warm-up steps = ceil(ratio · steps)."""
    warmup = math.ceil(config["warmupRatio"] * step_count)
    if step < warmup:
        return config["learningRate"] * step / max(1, warmup)
    if config["schedule"] == "constant":
        return config["learningRate"]
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

    def distributions(self, prompt, response):
        """Log-probs [R, V] over the vocabulary of the positions that predict the response, alone behind its prompt."""
        logits = response_logits(self.semantics, self.weights, prompt, response, self.adapter, ALPHA / RANK)
        return logits.log_softmax(-1)

    def score(self, rows):
        """The distributions of every row's responses; an empty response has none."""
        names = ("chosenIds", "rejectedIds")
        return [{name: self.distributions(row["promptIds"], row[name]) for name in names if row[name]} for row in rows]


def step_of(rows, policy, reference):
    """What the losses read, from the distributions under policy and reference."""
    of_tokens = lambda scores, name: [token_log_probs(score[name], row[name]) for score, row in zip(scores, rows) if row[name]]
    collisions = lambda name: [torch.logsumexp(2 * score[name].detach(), -1) for score in policy if name in score]
    divergences = lambda name: [
        (before[name].exp() * (before[name] - now[name])).sum(-1) for before, now in zip(reference, policy) if name in now
    ]
    step = {"labels": [row.get("label") for row in rows]}
    for side, name in (("Chosen", "chosenIds"), ("Rejected", "rejectedIds")):
        step[f"policy{side}"] = of_tokens(policy, name)
        step[f"reference{side}"] = of_tokens(reference, name)
        step[f"{side.lower()}Collisions"] = collisions(name)
        step[f"{side.lower()}Divergences"] = divergences(name)
    return step


def train(policy, rows, config, metrics, weights=None, decays=decays):
    """metrics(step, loss, norm, rate) of every optimiser step, in order. The reference is the policy before the first."""
    with torch.no_grad():
        reference = policy.score(rows)
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
    statistics, recorded = GapStatistics(), []
    per_epoch = len(rows) // config["batch"]
    for index in range(config["epochs"] * per_epoch):
        first = index % per_epoch * config["batch"]
        part = slice(first, first + config["batch"])
        step = {**step_of(rows[part], policy.score(rows[part]), reference[part]), "statistics": statistics}
        loss, _ = step_loss(step, config, weights and weights[part])
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(policy.trained.values(), config["maxGradNorm"])
        rate = learning_rate(config, index, config["epochs"] * per_epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        recorded.append(metrics(step, loss, norm, rate))
    return recorded


@torch.no_grad()
def gap_metrics(step, loss, norm, rate):
    """What is recorded of an α-DPO step, by the names of the run's log."""
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


def plain_metrics(step, loss, norm, _rate):
    """Loss and gradient norm, which every method has; KTO's estimate of the KL."""
    return {"loss": loss.item(), "grad_norm": norm.item(), **({"kl": step["kl"]} if "kl" in step else {})}
