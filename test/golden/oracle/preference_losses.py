"""The preference losses in torch, written from the papers and from TRL (and the authors' code where TRL has none). Every function takes lists
of per-token log-probs, so that autograd differentiates by single tokens. `options` carry the names of `train --config`."""
import math

import torch
from torch.nn.functional import logsigmoid

MOMENTUM = 0.9


def sums(lists):
    return torch.stack([values.sum() for values in lists])


def means(lists):
    return torch.stack([values.mean() for values in lists])


def smoothed(logits, epsilon):
    """cDPO's label smoothing; plain logistic loss at 0."""
    return -(1 - epsilon) * logsigmoid(logits) - epsilon * logsigmoid(-logits)


class GapStatistics:
    """alpha-dpo.md §3. Moving averages from 0 with the numbers of updates behind them, as plain numbers."""

    def __init__(self, mean=0.0, std=0.0, meanUpdates=0, stdUpdates=0):
        self.mean, self.std, self.mean_updates, self.std_updates = mean, std, meanUpdates, stdUpdates

    def json(self):
        return {"mean": self.mean, "std": self.std, "meanUpdates": self.mean_updates, "stdUpdates": self.std_updates}

    def update(self, gaps):
        deviation = self._deviation(gaps)
        self.mean = MOMENTUM * self.mean + (1 - MOMENTUM) * gaps.mean().item()
        self.mean_updates += 1
        if deviation is not None:
            self.std = MOMENTUM * self.std + (1 - MOMENTUM) * deviation
            self.std_updates += 1

    def _deviation(self, gaps):
        """Of the sample; of a single gap its distance from the running mean, by the variance of both (docs/training.md)."""
        if len(gaps) > 1:
            return gaps.std(unbiased=True).item()
        if self.mean_updates == 0:
            return None
        decay = MOMENTUM**self.mean_updates
        mean_variance = (1 - MOMENTUM) / (1 + MOMENTUM) * (1 + decay) / (1 - decay)
        return abs(gaps.item() - self.mean / (1 - decay)) / math.sqrt(1 + mean_variance)

    def corrected(self, gaps, floor=1e-3):
        """z with bias-corrected averages and a floor under the deviation."""
        if self.std_updates == 0:
            return torch.zeros_like(gaps)
        mean = self.mean / (1 - MOMENTUM**self.mean_updates)
        std = self.std / (1 - MOMENTUM**self.std_updates)
        return (gaps - mean) / max(std, floor)


def normalised_gaps(statistics, gaps, mode, group=8):
    """z of a step's gaps, a constant to the gradient. `official`: update, then (M − m) / s, group by group, nothing corrected."""
    gaps = gaps.detach()
    if mode == "lagged":
        z = statistics.corrected(gaps)
        statistics.update(gaps)
        return z
    if mode == "adaptive":
        statistics.update(gaps)
        return statistics.corrected(gaps)
    parts = []
    for part in gaps.split(group):
        statistics.update(part)
        parts.append((part - statistics.mean) / statistics.std)
    return torch.cat(parts)


def alpha_dpo(step, options):
    ratio = means(step["policyChosen"]) - means(step["policyRejected"])
    reference = means(step["referenceChosen"]) - means(step["referenceRejected"])
    mode, group = options.get("statistics", "adaptive"), options.get("officialGroupPairs", 8)
    z = normalised_gaps(step["statistics"], ratio - reference, mode, group)
    step["normalisedGaps"] = z
    margin = (options["gammaBetaRatio"] + options["alpha"] * z).detach()
    return smoothed(options["beta"] * (ratio - margin), options.get("labelSmoothing", 0))


def simpo(step, options):
    ratio = means(step["policyChosen"]) - means(step["policyRejected"])
    return smoothed(options["beta"] * (ratio - options["gammaBetaRatio"]), options.get("labelSmoothing", 0))


def _log_ratios(step, reduce=sums):
    chosen = reduce(step["policyChosen"]) - reduce(step["referenceChosen"])
    return chosen, reduce(step["policyRejected"]) - reduce(step["referenceRejected"])


def dpo(step, options):
    chosen, rejected = _log_ratios(step)
    u, epsilon = options["beta"] * (chosen - rejected), options.get("labelSmoothing", 0)
    kind = options.get("dpoLoss", "sigmoid")
    if kind == "hinge":
        return torch.relu(1 - u)
    if kind == "robust":
        return (-(1 - epsilon) * logsigmoid(u) + epsilon * logsigmoid(-u)) / (1 - 2 * epsilon)
    return smoothed(u, epsilon)


def ipo(step, options):
    chosen, rejected = _log_ratios(step, means if options["ipoReduction"] == "mean" else sums)
    return (chosen - rejected - 1 / (2 * options["beta"])) ** 2


def cpo(step, options):
    u = options["beta"] * (sums(step["policyChosen"]) - sums(step["policyRejected"]))
    return smoothed(u, options.get("labelSmoothing", 0))


def orpo(step, options):
    """The odds-ratio term alone; the NLL of the chosen responses is the step's SFT term."""
    chosen, rejected = means(step["policyChosen"]), means(step["policyRejected"])
    log_complement = lambda x: torch.where(x < -math.log(2), torch.log1p(-torch.exp(x)), torch.log(-torch.expm1(x)))
    return -options["beta"] * logsigmoid(chosen - rejected - (log_complement(chosen) - log_complement(rejected)))


def r_dpo(step, options):
    chosen, rejected = _log_ratios(step)
    lengths = torch.tensor([len(w) - len(l) for w, l in zip(step["policyChosen"], step["policyRejected"])])
    return smoothed(options["beta"] * (chosen - rejected) + options["lengthPenalty"] * lengths, options.get("labelSmoothing", 0))


def alphapo(step, options):
    a = options["alphaPoAlpha"]
    reward = lambda lists: (1 - torch.exp(means(lists)) ** -a) / a
    ratio = reward(step["policyChosen"]) - reward(step["policyRejected"])
    return smoothed(options["beta"] * (ratio - options["gammaBetaRatio"]), options.get("labelSmoothing", 0))


def tdpo(step, options):
    chosen, rejected = _log_ratios(step)
    of_chosen, of_rejected = sums(step["chosenDivergences"]), sums(step["rejectedDivergences"])
    if options["tdpoVariant"] == 1:
        logits = chosen - rejected - (of_rejected - of_chosen)
    else:
        logits = chosen - rejected - options["tdpoAlpha"] * (of_rejected - of_chosen.detach())
    return smoothed(options["beta"] * logits, options.get("labelSmoothing", 0))


def ld_dpo(step, options):
    """Tokens beyond the pair's shorter length count with α, under policy and reference."""
    shared = [min(len(w), len(l)) for w, l in zip(step["policyChosen"], step["policyRejected"])]
    weigh = lambda lists: torch.stack([v[:n].sum() + options["ldAlpha"] * v[n:].sum() for v, n in zip(lists, shared)])
    chosen = weigh(step["policyChosen"]) - weigh(step["referenceChosen"])
    rejected = weigh(step["policyRejected"]) - weigh(step["referenceRejected"])
    return smoothed(options["beta"] * (chosen - rejected), options.get("labelSmoothing", 0))


def kto(step, options):
    """Rows of one completion each; kl from the mismatched completions, clamped at 0, no gradient."""
    ratio = sums(step["policyChosen"]) - sums(step["referenceChosen"])
    kl = (sums(step["policyRejected"]) - sums(step["referenceRejected"])).mean().detach().clamp(min=0)
    step["kl"] = kl.item()
    desirable = options["desirableWeight"] * (1 - torch.sigmoid(options["beta"] * (ratio - kl)))
    undesirable = options["undesirableWeight"] * (1 - torch.sigmoid(options["beta"] * (kl - ratio)))
    return torch.where(torch.tensor(step["labels"]), desirable, undesirable)


LOSSES = {
    "alpha-dpo": alpha_dpo,
    "simpo": simpo,
    "dpo": dpo,
    "ipo": ipo,
    "cpo": cpo,
    "orpo": orpo,
    "r-dpo": r_dpo,
    "alphapo": alphapo,
    "tdpo": tdpo,
    "ld-dpo": ld_dpo,
    "kto": kto,
}


def wpo_weights(step):
    """exp(mean(log p − log Σ p²)) of both responses multiplied, no gradient."""
    chosen = means([p - c for p, c in zip(step["policyChosen"], step["chosenCollisions"])])
    rejected = means([p - c for p, c in zip(step["policyRejected"], step["rejectedCollisions"])])
    return torch.exp(chosen + rejected).detach()


def step_loss(step, options, weights=None):
    """(the step's loss, each row's own loss): Σ wᵢ·vᵢ·Lᵢ / Σ wᵢ + sftWeight · mean NLL over all chosen tokens (v of WPO, or 1)."""
    if options["method"] == "sft":
        return _token_nll(step, weights), None
    losses = LOSSES[options["method"]](step, options)
    weight = torch.ones(len(losses)) if weights is None else torch.tensor(weights)
    total = weight.sum()
    if options.get("useWeighting"):
        step["pairWeights"] = wpo_weights(step)
        weight = weight * step["pairWeights"]
    loss = (weight * losses).sum() / total
    return loss + options.get("sftWeight", 0) * _token_nll(step, weights), losses


def _token_nll(step, weights):
    weight = torch.ones(len(step["policyChosen"])) if weights is None else torch.tensor(weights)
    tokens = torch.tensor([float(len(values)) for values in step["policyChosen"]])
    return -(weight * sums(step["policyChosen"])).sum() / (weight * tokens).sum()
