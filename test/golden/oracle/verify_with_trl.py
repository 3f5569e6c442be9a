"""Holds methods.json against TRL itself: its trainers' loss functions are called with stand-in models of a vocabulary of two, whose
log-probs are the recorded ones; loss and derivatives must be the recorded ones. Methods that TRL lacks are named. Needs trl 1.13."""
import collections
import json
import os
from types import SimpleNamespace
from unittest import mock

import torch
import trl
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

GOLDEN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOLERANCE = 1e-12


def padded(lists):
    """Responses behind a prompt of one token, padded at the end: token log-probs [B, T], mask of the whole sequence [B, T + 1]."""
    width = max(len(values) for values in lists)
    log_probs = torch.stack([torch.cat([v, torch.full((width - len(v),), -0.7)]) for v in lists])
    mask = torch.stack([torch.tensor([0] + [1] * len(v) + [0] * (width - len(v))) for v in lists])
    return log_probs, mask


class TwoTokens:
    """A model whose token 0 has the given log-probs; every label is token 0."""

    training = True

    def __init__(self, log_probs):
        last = torch.zeros(len(log_probs), 1)
        rows = torch.cat([log_probs, last - 0.7], dim=1)
        self.logits = torch.stack([rows, torch.log(-torch.expm1(rows))], dim=-1)

    def __call__(self, **_):
        return SimpleNamespace(logits=self.logits)


def trainer(trainer_class, **fields):
    """A trainer that was never constructed: the attributes that its loss reads, and metrics that go nowhere."""
    accelerator = SimpleNamespace(device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x)
    args = SimpleNamespace(gradient_checkpointing=False, gradient_checkpointing_kwargs=None, discopop_tau=0.05)
    self = mock.MagicMock(spec=trainer_class)
    metrics = collections.defaultdict(lambda: collections.defaultdict(list))
    always = {"accelerator": accelerator, "args": args, "aux_loss_enabled": False, "_metrics": metrics, "_tp_size": 1}
    for name, value in {**always, "_total_train_tokens": 0, "model": SimpleNamespace(training=True), **fields}.items():
        setattr(self, name, value)
    return self


def dpo_loss(inputs, options):
    kinds = {"ipo": "ipo", "sft": "sft"}
    kind = kinds.get(options["method"]) or options.get("dpoLoss", "sigmoid")
    types, weights = [kind], [1.0]
    if options.get("sftWeight"):
        types, weights = types + ["sft"], weights + [options["sftWeight"]]
    log_probs, mask = padded(inputs["policyChosenLogProbs"] + inputs["policyRejectedLogProbs"])
    alpha = options.get("ldAlpha", 1.0)
    shared = [min(len(w), len(l)) for w, l in zip(inputs["policyChosenLogProbs"], inputs["policyRejectedLogProbs"])]
    reference = lambda name: torch.stack([v[:n].sum() + alpha * v[n:].sum() for v, n in zip(inputs[name], shared)])
    self = trainer(
        DPOTrainer,
        beta=options.get("beta", 0.1),
        label_smoothing=options.get("labelSmoothing", 0.0),
        loss_types=types,
        loss_weights=weights,
        ld_alpha=options.get("ldAlpha"),
        use_weighting=options.get("useWeighting", False),
        f_divergence_type="reverse_kl",
        precompute_ref_logps=True,
    )
    batch = {
        "input_ids": torch.zeros_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "ref_chosen_logps": reference("referenceChosenLogProbs"),
        "ref_rejected_logps": reference("referenceRejectedLogProbs"),
    }
    return DPOTrainer._compute_loss(self, TwoTokens(log_probs), batch, return_outputs=False)


def cpo_loss(inputs, options):
    is_sum = options["method"] == "cpo"
    reduce = lambda name: torch.stack([v.sum() if is_sum else v.mean() for v in inputs[name]])
    self = trainer(
        CPOTrainer,
        alpha=options.get("alphaPoAlpha", 0.0),
        beta=options["beta"],
        simpo_gamma=options["beta"] * options.get("gammaBetaRatio", 0.0),
        loss_type="sigmoid" if is_sum else "simpo",
        label_smoothing=options.get("labelSmoothing", 0.0),
    )
    losses, _, _ = CPOTrainer.cpo_loss(self, reduce("policyChosenLogProbs"), reduce("policyRejectedLogProbs"))
    return losses.mean() + options.get("sftWeight", 0.0) * -torch.cat(inputs["policyChosenLogProbs"]).mean()


def orpo_loss(inputs, options):
    reduce = lambda name: torch.stack([v.mean() for v in inputs[name]])
    chosen, rejected = reduce("policyChosenLogProbs"), reduce("policyRejectedLogProbs")
    self = trainer(ORPOTrainer, beta=options["beta"])
    # TRL narrows to float32 here; the comparison is of the formula, so the narrowing is taken out.
    with mock.patch.object(torch.Tensor, "float", lambda tensor: tensor):
        losses = ORPOTrainer.odds_ratio_loss(self, chosen, rejected)[0]
    return options["sftWeight"] * -torch.cat(inputs["policyChosenLogProbs"]).mean() - losses.mean()


def kto_loss(inputs, options):
    log_probs, mask = padded(inputs["policyChosenLogProbs"])
    sums = lambda name: torch.stack([v.sum() for v in inputs[name]])
    self = trainer(
        KTOTrainer,
        beta=options["beta"],
        desirable_weight=options["desirableWeight"],
        undesirable_weight=options["undesirableWeight"],
        loss_type="kto",
        calculate_KL=True,
        precompute_ref_logps=True,
        _compute_kl_logps=lambda model, batch: sums("policyRejectedLogProbs").detach(),
    )
    batch = {
        "input_ids": torch.zeros_like(mask),
        "attention_mask": torch.ones_like(mask),
        "completion_mask": mask,
        "label": torch.tensor(inputs["labels"]),
        "ref_logps": sums("referenceChosenLogProbs"),
        "ref_KL_logps": sums("referenceRejectedLogProbs"),
    }
    return KTOTrainer._compute_loss(self, TwoTokens(log_probs), batch, return_outputs=False)


def loss_of(entry):
    """TRL's loss for an entry; None where TRL has no such method."""
    options = entry["options"]
    method = options["method"]
    if "weights" in entry or method in ("alpha-dpo", "tdpo", "r-dpo") or options.get("ipoReduction") == "sum":
        return None
    if method == "dpo" and options.get("labelSmoothing") and "dpoLoss" not in options:
        return None
    return {"cpo": cpo_loss, "simpo": cpo_loss, "alphapo": cpo_loss, "orpo": orpo_loss, "kto": kto_loss}.get(method, dpo_loss)


def main():
    torch.set_default_dtype(torch.float64)
    with open(os.path.join(GOLDEN, "methods.json"), encoding="utf-8") as file:
        recorded = json.load(file)
    print(f"trl {trl.__version__}, torch {torch.__version__}")
    for entry in recorded["entries"]:
        compute = loss_of(entry)
        if compute is None:
            print(f"{entry['name']}: not in TRL")
            continue
        tensors = {key: [torch.tensor(v) for v in lists] if key != "labels" else lists for key, lists in recorded["inputs"][entry["rows"]].items()}
        worst = 0.0
        leaves = {f"d{key[0].upper()}{key[1:]}": tensors[key] for key in ("policyChosenLogProbs", "policyRejectedLogProbs")}
        for leaf in [leaf for lists in leaves.values() for leaf in lists]:
            leaf.requires_grad_()
        loss = compute(tensors, entry["options"])
        loss.backward()
        for name, lists in leaves.items():
            for leaf, expected in zip(lists, entry[name]):
                found = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                worst = max(worst, (found - torch.tensor(expected)).abs().max().item())
        difference = abs(loss.item() - entry["loss"])
        assert difference < TOLERANCE * max(1, abs(entry["loss"])) and worst < TOLERANCE, (entry["name"], difference, worst)
        print(f"{entry['name']}: loss {difference:.1e}, derivatives {worst:.1e}")


if __name__ == "__main__":
    main()
