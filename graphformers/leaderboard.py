"""What a leaderboard asks for, out of the results of several runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import formerkit
from formerkit.io import DataError

if TYPE_CHECKING:
    from jsonargparse import Namespace

LEARN_FROM_VALIDATION = ("ogbl-collab",)
"""Data sets whose rules allow that validation labels are learnt from."""


def check(results: Sequence[dict[str, Any]], folder: Path) -> None:
    """Refuse runs that saw what they must not, or that are of different data.

    Raises:
        DataError: Which names the run's folder and the field.
    """
    for number, result in enumerate(results):
        path = folder / f"seed_{number}" / "result.json"
        for part in result["learnt_from"]:
            may_learn_from(part, result["source"], path)
        for name in ("splits_sha256", "metric", "source", "parameters"):
            if result[name] != results[0][name]:
                raise DataError(path, f"{result[name]!r}", field=name, expected=f"{results[0][name]!r}, as with seed 0")


def may_learn_from(part: str, dataset: str, where: str | Path) -> None:
    """Refuse a part whose labels a model must not have seen.

    Args:
        part: Which.
        dataset: Its name, which its folder may follow.
        where: For the error.

    Raises:
        DataError: Which names ``where``.
    """
    if part == "test" or (part == "valid" and dataset.partition(" ")[0] not in LEARN_FROM_VALIDATION):
        raise DataError(where, f"the model learns from {part} labels", field="learn_from", expected="train alone")


def fill(results: Sequence[dict[str, Any]], config: Namespace, words: Sequence[str]) -> dict[str, Any]:
    """What the form asks for."""
    first = results[0]
    scores: dict[str, Any] = {}
    for part in ("test", "valid"):
        values = torch.tensor([result[part] for result in results], dtype=torch.float64)
        deviation = float(values.std(unbiased=True)) if len(values) > 1 else None
        scores[part] = {"mean": float(values.mean()), "unbiased_std": deviation, "each": values.tolist()}
    return {
        "method": config.method or config.model.name,
        "dataset": first["source"],
        "metric": first["metric"],
        "higher_is_better": first["higher_is_better"],
        "scale": first["scale"],
        **scores,
        "seeds": [result["seed"] for result in results],
        "best_epochs": [result["best_epoch"] for result in results],
        "selection": "the epoch of each run with the best validation score",
        "parameters": first["parameters"],
        "external_data": config.external_data,
        "hardware": hardware(),
        "versions": versions(),
        "command": " ".join(("python -m graphformers.submit", *words)),
        "contact": config.contact,
        "code": config.code,
        "paper": config.paper,
    }


def as_markdown(form: dict[str, Any]) -> str:
    """The form as a table."""
    scale = form["scale"]

    def shown(part: str) -> str:
        mean, deviation = form[part]["mean"], form[part]["unbiased_std"]
        digits = 4 if scale == 1 else 2
        spread = "" if deviation is None else f" ± {scale * deviation:.{digits}f}"
        return f"{scale * mean:.{digits}f}{spread}"

    rows = {
        "Method": form["method"],
        "Dataset": form["dataset"],
        f"Test {form['metric']}": f"{shown('test')} (mean ± unbiased standard deviation, {len(form['seeds'])} seeds)",
        f"Validation {form['metric']}": f"{shown('valid')} (the same weights)",
        "Selection": form["selection"],
        "Parameters": f"{form['parameters']:,} (all stages)",
        "External data": "yes" if form["external_data"] else "no",
        "Hardware": form["hardware"],
        "Versions": ", ".join(f"{name} {version}" for name, version in form["versions"].items()),
        "Command": f"`{form['command']}`",
        "Contact": form["contact"] or "to be filled in",
        "Code": form["code"] or "to be filled in",
        "Paper": form["paper"] or "to be filled in",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"


def hardware() -> str:
    """Processor or graphics card, and memory."""
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return f"{torch.cuda.device_count()} x {card.name}, {card.total_memory / 2**30:.0f} GB"
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    return f"CPU, {os.cpu_count()} cores, {model}" + (f", {memory:.0f} GB" if memory else "")


def versions() -> dict[str, str]:
    """Of what computes the scores."""
    found = {"formerkit": formerkit.__version__, "python": platform.python_version()}
    for name in ("torch", "ogb"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
