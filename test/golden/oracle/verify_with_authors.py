"""Holds methods.json against the authors' own functions, for the two methods that TRL lacks and whose code is public. Arguments: dpo_trainer.py
of junkangwu/alpha-DPO (scripts/, commit fab3209) and trainers.py of Vance0124/Token-level-Direct-Preference-Optimization."""
import ast
import json
import os
import sys
import typing
from types import MethodType, SimpleNamespace

import torch

GOLDEN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOLERANCE = 1e-12


def functions(path, *names):
    """Functions of a file by name, without running the rest of it."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    scope = {**vars(typing), "torch": torch, "F": torch.nn.functional}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            exec(compile(ast.Module([node], []), path, "exec"), scope)
    return [scope[name] for name in names]


def official_alpha_dpo(dpo_loss, update, entry, means):
    options, before = entry["options"], entry["statisticsBefore"]
    self = SimpleNamespace(
        loss_type="alpha-dpo",
        beta=options["beta"],
        alpha=options["alpha"],
        gamma_beta_ratio=options["gammaBetaRatio"],
        label_smoothing=0.0,
        accelerator=SimpleNamespace(gather=lambda x: x, device="cpu"),
        constant_1=before["mean"],
        constant_2=before["std"],
    )
    self.update_and_sync_ref_mean_std = MethodType(update, self)
    groups = zip(*(values.split(options["officialGroupPairs"]) for values in means))
    return torch.cat([dpo_loss(self, *group, len(group[0]), len(group[0]))[0][0] for group in groups]).mean()


def main(alpha_dpo_file, tdpo_file):
    torch.set_default_dtype(torch.float64)
    dpo_loss, update = functions(alpha_dpo_file, "dpo_loss", "update_and_sync_ref_mean_std")
    (tdpo_loss,) = functions(tdpo_file, "tdpo_loss")
    with open(os.path.join(GOLDEN, "methods.json"), encoding="utf-8") as file:
        recorded = json.load(file)
    names = ["policyChosenLogProbs", "policyRejectedLogProbs", "referenceChosenLogProbs", "referenceRejectedLogProbs"]
    for entry in recorded["entries"]:
        options = entry["options"]
        lists = {key: [torch.tensor(v).requires_grad_() for v in rows] for key, rows in recorded["inputs"]["pairs"].items()}
        of = lambda key, reduce: torch.stack([reduce(values) for values in lists[key]])
        if options.get("statistics") == "official":
            loss = official_alpha_dpo(dpo_loss, update, entry, [of(name, torch.mean) for name in names])
        elif options["method"] == "tdpo":
            chosen, rejected, reference_chosen, reference_rejected = (of(name, torch.sum) for name in names)
            ratios = chosen - reference_chosen, rejected - reference_rejected
            divergences = of("chosenDivergences", torch.sum), of("rejectedDivergences", torch.sum)
            variant = options.get("tdpoAlpha", 0.5), options["tdpoVariant"] == 2
            loss = tdpo_loss(*ratios, *divergences, options["beta"], *variant)[0].mean()
        else:
            continue
        loss.backward()
        worst = abs(loss.item() - entry["loss"])
        for key in [key for key in lists if f"d{key[0].upper()}{key[1:]}" in entry]:
            for leaf, expected in zip(lists[key], entry[f"d{key[0].upper()}{key[1:]}"]):
                found = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                worst = max(worst, (found - torch.tensor(expected)).abs().max().item())
        assert worst < TOLERANCE, (entry["name"], worst)
        print(f"{entry['name']}: {worst:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
