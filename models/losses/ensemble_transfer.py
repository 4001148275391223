"""The loss of an ensemble whose members learn from its mean and from each other."""

from typing import Any, Literal

from keras import ops

from clickwright.models.losses.cross_entropies import cross_entropies
from clickwright.models.losses.weighted_mean import weighted_mean


class EnsembleTransfer:
    """Mean cross-entropy of the students, plus what `transfer` says.

    With `p_s` the students' probabilities, `p_T` the sigmoid of their mean logit, `sg`
    a stopped gradient and means over the rows:

    * `exam`: an exam score `e_s = mean(1 - |y - p_s|)` a batch says who needs the
      teacher and who is worth listening to:
      `sum_s w_s MSE(p_s, sg(p_T)) + mean_i sum_{j != i} u_ij MSE(p_i, sg(p_j))`,
      `w = softmax(-e)`, `u_i = softmax(e)` over the others. A single student has
      nobody to learn from.
    * `none`: nothing, students share the embeddings alone.
    * `mean`: cross-entropy of the mean logit *in the place of* the students'.

    Called with `labels`, `[batch]`; `logits`, `[batch, S]`, one column a student; and
    `weights`, `[batch]`.

    Args:
        transfer: `exam`, `none` or `mean`.
        detach_exam: whether scores are constants; published results let the gradient
            through them.

    Raises:
        ValueError: `transfer` is none of these.

    References:
        EKTF (salmon1802/EKTF), later called KDEF.
    """

    def __init__(
        self,
        transfer: Literal["exam", "none", "mean"] = "exam",
        detach_exam: bool = False,
    ) -> None:
        if transfer not in ("exam", "none", "mean"):
            raise ValueError(
                f"`transfer` must be `exam`, `none` or `mean`. Received: {transfer}"
            )
        self._transfer = transfer
        self._detach_exam = detach_exam

    def __call__(self, labels: Any, logits: Any, weights: Any) -> Any:
        """Weighted means over the rows, added up."""
        mean_logit = ops.mean(logits, axis=-1)  # [B]
        if self._transfer == "mean":
            losses = ops.binary_crossentropy(labels, mean_logit, from_logits=True)
            return weighted_mean(losses, weights)
        hard = cross_entropies(labels, logits)  # [B, S]
        loss = ops.mean(weighted_mean(hard, weights))
        if self._transfer == "none" or logits.shape[-1] == 1:
            return loss
        students = ops.sigmoid(logits)  # [B, S]
        scores = weighted_mean(
            1 - ops.abs(ops.expand_dims(labels, -1) - students), weights
        )  # [S]
        if self._detach_exam:
            scores = ops.stop_gradient(scores)
        teacher = ops.stop_gradient(ops.sigmoid(mean_logit))
        from_teacher = weighted_mean(
            ops.square(students - ops.expand_dims(teacher, -1)), weights
        )  # [S]
        return (
            loss
            + ops.sum(ops.softmax(-scores) * from_teacher)
            + _from_peers(students, scores, weights)
        )


def _from_peers(students: Any, scores: Any, weights: Any) -> Any:
    size = students.shape[-1]
    gaps = ops.expand_dims(students, 2) - ops.expand_dims(
        ops.stop_gradient(students), 1
    )  # [B, S, S]
    distances = ops.reshape(
        weighted_mean(ops.reshape(ops.square(gaps), (-1, size * size)), weights),
        (size, size),
    )
    # Nobody listens to himself.
    others = ops.expand_dims(scores, 0) - 1e9 * ops.eye(size)
    return ops.mean(ops.sum(ops.softmax(others, axis=-1) * distances, axis=-1))
