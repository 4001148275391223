"""The loss of predictors of which the last one teaches the others."""

from typing import Any, Literal

from keras import ops

from clickwright.models.losses.cross_entropies import cross_entropies
from clickwright.models.losses.weighted_mean import weighted_mean


class SelfDistillation:
    """Cross-entropy of every predictor, and divergence of each from the last one.

    `ce_weight * sum_l CE(y, s(z_l)) + (1 - ce_weight) * sum_{l<L} D(z_L, z_l)`, `s`
    the sigmoid and, with temperature `T`, `D(u, v)` by `kd_form`:

    * `bernoulli_kl`: `KL(a || b) = a ln(a / b) + (1 - a) ln((1 - a) / (1 - b))` of
      `a = s(u / T)` from `b = s(v / T)`;
    * `official`: what the authors' code computes, where `s((1 - u) / T)` and
      `s(1 - v / T)` stand in the place of `1 - a` and `1 - b`. It is no divergence:
      it can be negative, and is not 0 where `u = v`.

    Called with `labels`, `[batch]`; `logits`, `[batch, L]`, the last column the
    teacher's; and `weights`, `[batch]`.

    Args:
        ce_weight: share of the cross-entropies, 0 to 1.
        temperature: divides the logits that are compared.
        kd_form: `bernoulli_kl` or `official`.
        detach_teacher: whether the divergence leaves the teacher alone; published
            results do not.

    Raises:
        ValueError: an argument is out of its range.

    References:
        FSDNet (arXiv 2411.07508).
    """

    def __init__(
        self,
        ce_weight: float,
        temperature: float = 1.0,
        kd_form: Literal["bernoulli_kl", "official"] = "bernoulli_kl",
        detach_teacher: bool = False,
    ) -> None:
        if not 0 <= ce_weight <= 1:
            raise ValueError(f"`ce_weight` must be 0 to 1. Received: {ce_weight}")
        if temperature <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature}")
        if kd_form not in ("bernoulli_kl", "official"):
            raise ValueError(
                f"`kd_form` must be `bernoulli_kl` or `official`. Received: {kd_form}"
            )
        self._ce_weight = ce_weight
        self._temperature = temperature
        self._kd_form = kd_form
        self._detach_teacher = detach_teacher

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted means over the rows, added up."""
        hard = cross_entropies(labels, logits)  # [B, L]
        loss = self._ce_weight * ops.sum(weighted_mean(hard, weights))
        if self._ce_weight == 1 or logits.shape[-1] == 1:
            return loss
        teacher, students = logits[:, -1:], logits[:, :-1]
        if self._detach_teacher:
            teacher = ops.stop_gradient(teacher)
        soft = self._divergence(teacher, students)  # [B, L - 1]
        return loss + (1 - self._ce_weight) * ops.sum(weighted_mean(soft, weights))

    def _divergence(self, teacher: Any, students: Any) -> Any:
        t = self._temperature
        first = _term(teacher / t, students / t)
        if self._kd_form == "official":
            return first + _term((1 - teacher) / t, 1 - students / t)
        return first + _term(-teacher / t, -students / t)


def _term(u: Any, v: Any) -> Any:
    """`s(u) ln(s(u) / s(v))`."""
    return ops.sigmoid(u) * (ops.log_sigmoid(u) - ops.log_sigmoid(v))
