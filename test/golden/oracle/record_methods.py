"""Records loss and autograd derivatives of every preference method on six fixed pairs into methods.json."""
import math
import os

import numpy
import torch

from files import GOLDEN, single_threaded, versions, write_rows_json
from preference_losses import GapStatistics, step_loss

SEED = 20241015
LENGTHS = [(4, 7), (1, 3), (9, 2), (6, 6), (3, 12), (8, 1)]
TRL = "TRL 1.13 DPOTrainer"
ALPHA = {"method": "alpha-dpo", "beta": 2.5, "gammaBetaRatio": 0.6, "alpha": 0.2}
RUNNING = {"mean": 0.031, "std": 0.11, "meanUpdates": 5, "stdUpdates": 4}

# (name, convention, options); `weights`, `statistics` and `rows` of an entry are no options and are taken out.
CASES = [
    ("alpha-dpo adaptive, first step", "alpha-dpo.md §2 and §3", {**ALPHA, "statistics": "adaptive"}),
    ("alpha-dpo adaptive, running statistics", "alpha-dpo.md §2 and §3", {**ALPHA, "statistics": "adaptive", "before": RUNNING}),
    ("alpha-dpo adaptive, label smoothing", "alpha-dpo.md §2", {**ALPHA, "statistics": "adaptive", "labelSmoothing": 0.1}),
    ("alpha-dpo lagged, first step", "alpha-dpo.md §2: z = 0 before any statistics", {**ALPHA, "statistics": "lagged"}),
    ("alpha-dpo lagged, running statistics", "alpha-dpo.md §2", {**ALPHA, "statistics": "lagged", "before": RUNNING}),
    (
        "alpha-dpo official, two groups",
        "junkangwu/alpha-DPO scripts/dpo_trainer.py: update per micro-batch, then normalise; no correction, no floor",
        {**ALPHA, "statistics": "official", "officialGroupPairs": 3},
    ),
    (
        "alpha-dpo official, running statistics",
        "as above",
        {**ALPHA, "statistics": "official", "officialGroupPairs": 3, "before": RUNNING},
    ),
    ("alpha-dpo, α = 0", "is SimPO", {**ALPHA, "alpha": 0.0}),
    ("simpo", "princeton-nlp/SimPO: means, u = β(Δ − γ/β)", {"method": "simpo", "beta": 2.5, "gammaBetaRatio": 0.55}),
    ("simpo, label smoothing", "as above", {"method": "simpo", "beta": 2.0, "gammaBetaRatio": 0.25, "labelSmoothing": 0.2}),
    ("dpo", f"{TRL} sigmoid: sums", {"method": "dpo", "beta": 0.1}),
    ("dpo, weighted pairs", "Σ wᵢLᵢ / Σ wᵢ", {"method": "dpo", "beta": 0.1, "weights": [1.0, 0.5, 2.0, 0.25, 1.5, 1.0]}),
    ("cdpo", "−(1−ε) log σ(u) − ε log σ(−u): Mitchell's note; eric-mitchell/DPO", {"method": "dpo", "beta": 0.1, "labelSmoothing": 0.15}),
    ("robust dpo", f"{TRL} robust", {"method": "dpo", "beta": 0.1, "dpoLoss": "robust", "labelSmoothing": 0.1}),
    ("hinge", f"{TRL} hinge", {"method": "dpo", "beta": 0.1, "dpoLoss": "hinge"}),
    ("hinge, some pairs beyond it", "as above", {"method": "dpo", "beta": 2.0, "dpoLoss": "hinge"}),
    ("ipo, means", f"{TRL} ipo", {"method": "ipo", "beta": 0.1, "ipoReduction": "mean"}),
    ("ipo, sums", "OpenRLHF, eric-mitchell/DPO", {"method": "ipo", "beta": 0.1, "ipoReduction": "sum"}),
    ("cpo", "TRL CPOTrainer sigmoid: sums, cpo_alpha 1, NLL a mean over the step's chosen tokens", {"method": "cpo", "beta": 0.1, "sftWeight": 1.0}),
    ("cpo, label smoothing", "as above, cpo_alpha 0", {"method": "cpo", "beta": 0.1, "sftWeight": 0.0, "labelSmoothing": 0.1}),
    ("orpo", "TRL ORPOTrainer: means; NLL over response tokens alone (TRL: prompt too)", {"method": "orpo", "beta": 0.1, "sftWeight": 1.0}),
    (
        "r-dpo",
        "Park et al. 2403.19159: u = β(Δ by sums) + α(|y_w| − |y_l|); junkangwu/alpha-DPO has the opposite sign inside β",
        {"method": "r-dpo", "beta": 0.1, "lengthPenalty": 0.05},
    ),
    ("kto", "TRL KTOTrainer: kl over the step, clamped at 0", {"method": "kto", "beta": 0.1, "desirableWeight": 1.0, "undesirableWeight": 1.33}),
    (
        "kto, kl clamped",
        "as above, the estimate is negative",
        {"method": "kto", "beta": 0.1, "desirableWeight": 1.2, "undesirableWeight": 1.0, "rows": "unpairedBelow"},
    ),
    ("alphapo", "TRL CPOTrainer alpha with simpo: means", {"method": "alphapo", "beta": 2.5, "gammaBetaRatio": 0.04, "alphaPoAlpha": 0.25}),
    ("alphapo, negative", "as above", {"method": "alphapo", "beta": 2.5, "gammaBetaRatio": 0.1, "alphaPoAlpha": -0.3}),
    ("tdpo1", "Vance0124/Token-level-Direct-Preference-Optimization trainers.py", {"method": "tdpo", "beta": 0.1, "tdpoVariant": 1}),
    ("tdpo2", "as above, D of the chosen response detached", {"method": "tdpo", "beta": 0.1, "tdpoVariant": 2, "tdpoAlpha": 0.5}),
    ("ld-dpo", f"{TRL} ld_alpha: policy and reference", {"method": "ld-dpo", "beta": 0.1, "ldAlpha": 0.4}),
    ("wpo weighting", f"{TRL} use_weighting: divided by the number of pairs", {"method": "dpo", "beta": 0.1, "useWeighting": True}),
    ("dpo with an sft term", f"{TRL} loss_type sigmoid + sft: NLL a mean over the step's chosen tokens", {"method": "dpo", "beta": 0.1, "sftWeight": 0.3}),
    ("simpo with an sft term", "as above", {"method": "simpo", "beta": 2.5, "gammaBetaRatio": 0.55, "sftWeight": 0.3}),
    ("sft", "mean NLL over all chosen tokens of the step", {"method": "sft"}),
    ("sft, weighted rows", "Σ wᵢ·(−sᵢ) / Σ wᵢ|yᵢ|", {"method": "sft", "weights": [1.0, 0.5, 2.0, 0.25, 1.5, 1.0]}),
]


def two_way(log_probs):
    """log(1 − p): what the rest of the vocabulary holds; the inputs are those of a vocabulary of two."""
    return torch.log(-torch.expm1(log_probs))


def collisions(log_probs):
    """log Σ p² of each token's distribution."""
    return torch.logaddexp(2 * log_probs, 2 * two_way(log_probs))


def divergences(reference, policy):
    """KL(reference ‖ policy) at each position."""
    return reference.exp() * (reference - policy) + two_way(reference).exp() * (two_way(reference) - two_way(policy))


def inputs():
    """Per-token log-probs of six pairs; the policy has moved away from the reference, more on some pairs than on others."""
    stream = numpy.random.RandomState(SEED)

    def responses(index, shift):
        reference = [-stream.gamma(1.5, 0.8, length[index]) - 0.02 for length in LENGTHS]
        policy = [values * numpy.exp(0.25 * stream.standard_normal(len(values)) + shift) for values in reference]
        return [[torch.from_numpy(values) for values in lists] for lists in (reference, policy)]

    (reference_chosen, policy_chosen), (reference_rejected, policy_rejected) = responses(0, -0.1), responses(1, 0.05)
    return {
        "policyChosen": policy_chosen,
        "policyRejected": policy_rejected,
        "referenceChosen": reference_chosen,
        "referenceRejected": reference_rejected,
        "chosenCollisions": [collisions(values) for values in policy_chosen],
        "rejectedCollisions": [collisions(values) for values in policy_rejected],
        "chosenDivergences": [divergences(r, p) for r, p in zip(reference_chosen, policy_chosen)],
        "rejectedDivergences": [divergences(r, p) for r, p in zip(reference_rejected, policy_rejected)],
    }


def unpaired(lists, kl_sign):
    """The same responses as six unpaired rows: `chosen` is the row's completion, `rejected` its mismatched one, whose KL has a sign."""
    policy, reference = lists["policyRejected"], lists["referenceRejected"]
    estimate = sum(p.sum() - r.sum() for p, r in zip(policy, reference)).item()
    if math.copysign(1, estimate) != kl_sign:
        policy, reference = reference, policy
    rows = {name: lists[name] for name in ("policyChosen", "referenceChosen")}
    return {**rows, "policyRejected": policy, "referenceRejected": reference, "labels": [True, False, True, False, False, True]}


LOG_PROBS = ["policyChosen", "policyRejected", "referenceChosen", "referenceRejected"]
DIFFERENTIATED = {
    "policyChosen": "dPolicyChosenLogProbs",
    "policyRejected": "dPolicyRejectedLogProbs",
    "chosenDivergences": "dChosenDivergences",
    "rejectedDivergences": "dRejectedDivergences",
}


def record(name, convention, options, sets):
    options = dict(options)
    before = options.pop("before", None)
    weights = options.pop("weights", None)
    rows = options.pop("rows", "unpaired" if options["method"] == "kto" else "pairs")
    leaves = {
        key: [values.clone().requires_grad_() for values in lists] if key in DIFFERENTIATED else lists
        for key, lists in sets[rows].items()
    }
    step = {**leaves, "statistics": GapStatistics(**(before or {}))}
    loss, losses = step_loss(step, options, weights)
    loss.backward()
    entry = {"name": name, "convention": convention, "options": options, "rows": rows}
    entry.update({"weights": weights} if weights else {})
    entry["loss"] = loss.item()
    entry.update({"losses": losses.tolist()} if losses is not None else {})
    for key in ("normalisedGaps", "pairWeights"):
        entry.update({key: step[key].tolist()} if key in step else {})
    entry.update({"kl": step["kl"]} if "kl" in step else {})
    if options["method"] == "alpha-dpo" and options["alpha"] != 0:
        entry.update({"statisticsBefore": before or GapStatistics().json(), "statisticsAfter": step["statistics"].json()})
    for key, title in DIFFERENTIATED.items():
        if key not in leaves or (title.endswith("Divergences") and options["method"] != "tdpo"):
            continue
        entry[title] = [(leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)).tolist() for leaf in leaves[key]]
    return entry


def check_specification():
    """alpha-dpo.md §3: the golden values must come out, to the printed digits."""
    means = {
        "policyChosen": [-0.80, -1.10, -0.95, -1.30],
        "policyRejected": [-0.90, -1.00, -1.20, -1.25],
        "referenceChosen": [-0.85, -1.05, -1.00, -1.32],
        "referenceRejected": [-0.88, -1.02, -1.15, -1.28],
    }

    def run(**options):
        leaves = {key: [torch.full((10,), mean).requires_grad_() for mean in row] for key, row in means.items()}
        step = {**leaves, "statistics": GapStatistics()}
        loss, losses = step_loss(step, {**ALPHA, **options})
        losses.sum().backward()
        return {"mean": [loss.item()], "L": losses.tolist(), "d": [x.grad.sum().item() for x in leaves["policyChosen"]], "z": step["normalisedGaps"].tolist()}

    def expect(found, printed, digits=6):
        assert all(abs(f - p) <= 0.51 * 10**-digits for f, p in zip(found, printed)), (found, printed)

    official, adaptive, simpo = run(statistics="official"), run(statistics="adaptive"), run(alpha=0.0)
    expect(official["z"], [8.777016, -9.359991, 12.663518, -1.586988])
    expect(official["L"], [5.64206, 0.05202, 7.2075, 1.192945], 5)
    expect(official["mean"], [3.523631])
    expect(adaptive["z"], [0.615363, -1.198338, 1.004013, -0.421038])
    expect(adaptive["L"], [1.748817, 1.425712, 1.602015, 1.632051])
    expect(adaptive["mean"], [1.60214851], 8)
    expect(adaptive["d"], [-2.065051, -1.899157, -1.996274, -2.011179])
    expect(run(statistics="adaptive", labelSmoothing=0.1)["mean"], [1.46464851], 8)
    expect(simpo["L"], [1.501929, 1.910224, 1.223445, 1.804745])
    expect(simpo["mean"], [1.61008561], 8)


def main():
    single_threaded()
    check_specification()
    pairs = inputs()
    sets = {"pairs": pairs, "unpaired": unpaired(pairs, 1), "unpairedBelow": unpaired(pairs, -1)}
    named = lambda key: f"{key}LogProbs" if key in LOG_PROBS else key
    as_lists = lambda lists: [item.tolist() if torch.is_tensor(item) else item for item in lists]
    recorded = {
        "versions": versions(SEED),
        "about": "nats; derivatives are of `loss`, by each token's log-prob and each position's divergence. `losses` are each row's own.",
        "inputs": {name: {named(key): as_lists(lists) for key, lists in rows.items()} for name, rows in sets.items()},
        "entries": [record(*case, sets) for case in CASES],
    }
    write_rows_json(os.path.join(GOLDEN, "methods.json"), recorded)
    for entry in recorded["entries"]:
        print(f"{entry['name']}: {entry['loss']:.6f}")


if __name__ == "__main__":
    main()
