"""Scores by OGB's own evaluator, after a look at what it is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import torch
from formerdata.ogb import OgbMeta, known
from formerdata.ogb.meta import SECTIONS

from formerkit.io import require
from graphformers.metrics.inputs import Array, binary_pair, class_pair, finite, pair
from graphformers.metrics.sequences import check_sequences

FIELDS = {
    "acc": ("y_true", "y_pred"), "rocauc": ("y_true", "y_pred"), "ap": ("y_true", "y_pred"),
    "rmse": ("y_true", "y_pred"), "F1": ("seq_ref", "seq_pred"), "links": ("y_pred_pos", "y_pred_neg"),
}  # fmt: skip


def ogb_score(name: str, **values: Array | Sequence[Sequence[str]]) -> dict[str, float]:
    """The score of predictions for one of OGB's data sets, computed by ``ogb``.

    Args:
        name: For example ``"ogbn-arxiv"``.
        values: What its metric needs: ``y_true`` and ``y_pred`` [n, tasks] for nodes and graphs (classes as integers
            for "acc"); ``y_pred_pos`` [P] and ``y_pred_neg`` [M] (for "mrr": [P, M]) for links; ``seq_ref`` and
            ``seq_pred``, lists of words, for "F1".

    Returns:
        By OGB's names. Of "mrr" the means over links: ``mrr``, ``hits@1``, ``hits@3``, ``hits@10``.

    Raises:
        ValueError: If OGB has no such data set, or an input is absent, of another shape or kind, empty, or not
            finite. (``ogb`` itself scores NaN predictions as wrong classes, and divides by zero on empty input.)
        MissingExtraError: If ``ogb`` is not installed.
    """
    meta = known(name)
    fields = FIELDS["links" if meta.prefix == "ogbl" else meta.eval_metric]
    if set(values) != set(fields):
        raise ValueError(f"{name}: expected {' and '.join(fields)}, got {', '.join(values) or 'nothing'}")
    inputs = _checked(meta, *(values[field] for field in fields))
    result = _evaluator(meta).eval(dict(zip(fields, inputs, strict=True)))
    # It gives lists of single links for "mrr" and leaves their mean to the caller.
    return {
        key.removesuffix("_list"): float(value.double().mean()) if torch.is_tensor(value) else float(value)
        for key, value in result.items()
    }


def _checked(meta: OgbMeta, first, second):  # type: ignore[no-untyped-def]
    """The inputs as the evaluator takes them: torch tensors, since it fails on others in places, or lists."""
    if meta.prefix == "ogbl":
        positive = finite(first, "y_pred_pos", 1)
        negative = finite(second, "y_pred_neg", 2 if meta.eval_metric == "mrr" else 1)
        if meta.eval_metric == "mrr" and len(negative) != len(positive):
            raise ValueError(f"y_pred_neg: {len(negative)} rows, but y_pred_pos has {len(positive)}")
        return positive, negative
    if meta.eval_metric == "F1":
        check_sequences(first, second)
        return [list(words) for words in first], [list(words) for words in second]
    check = {"acc": class_pair, "rmse": pair}.get(meta.eval_metric, binary_pair)
    labels, predicted = check(first, second, tasks=meta.num_tasks)
    if meta.eval_metric in ("acc", "rmse") and bool(labels.isnan().all(0).any()):
        raise ValueError(f"y_true: task {int(labels.isnan().all(0).nonzero()[0])} has no labels")
    return labels, predicted


def _evaluator(meta: OgbMeta):  # type: ignore[no-untyped-def]
    with _without_version_check():
        module: ModuleType = require(f"ogb.{SECTIONS[meta.prefix]}.evaluate", "ogb", purpose="ogb_score")
    return module.Evaluator(meta.name)


@contextmanager
def _without_version_check() -> Iterator[None]:
    """Keep the first import of ``ogb`` from asking the network for newer versions.

    It does so in a thread, through the package ``outdated``, and goes without where that cannot be imported. (The
    variable OUTDATED_IGNORE, which ``ogb`` sets itself, silences warnings only.) So that package is hidden while
    ``ogb`` is imported, and only then.
    """
    if "ogb" in sys.modules:
        yield
        return
    missing = object()
    before = sys.modules.get("outdated", missing)
    sys.modules["outdated"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is missing:
            del sys.modules["outdated"]
        else:
            sys.modules["outdated"] = before  # type: ignore[assignment]
