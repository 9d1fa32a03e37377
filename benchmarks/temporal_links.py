"""Which events come next: EdgeBank, GraphMixer-like, TGN-like and Todyformer, learnt by the same loop, on real streams.

    python -m benchmarks.temporal_links [--sets NAME ...] [--methods NAME ...] [--seeds N] [--epochs N] [--output DIR]

CollegeMsg, Enron and Bitcoin-OTC, split 70 / 15 / 15 by quantiles of time, batches of 200. Events have no features, for
EdgeBank, which nobody should beat by features alone, has no use for them. Average precision and area under the ROC
curve of the test part (in brackets), in percent, against random, historical and inductive false events: means and
deviations over seeds, which draw weights, the false events of training, and dropout. Those of the test are the same for
all.

All that learn have the same epochs, batches and schedule of rates, and are trained against random false events; of each
run the epoch that is best in validation, also against random ones, is tested. A method has one to four settings; the
one with the best mean in validation stands for it in the last table, all are printed. EdgeBank's window is the span of
the test part; a long one of Todyformer is of 32,768 events instead of 2,048. Runs that are done are read, and those
that were broken off go on, so sets, methods and seeds can be run piece by piece. Files are looked for under
FORMERKIT_DATA.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from formerdata.temporal import NegativeSampler
from torch import nn

from benchmarks.contest import Contender, slug, spread
from benchmarks.data import DATA
from formerkit.io import atomic_write
from formerkit.memory import keep_freed_memory
from formerkit.training.checkpoint import latest_checkpoint, load_checkpoint
from graphformers import sources
from graphformers.models import Todyformer
from graphformers.settings import GraphTraining
from graphformers.tasks import FutureLinkTask
from graphformers.tasks.future_link_task import SCORE_SEEDS
from graphformers.temporal import EdgeBank, GraphMixerLike, LinkScorer, TGNLike, evaluate_links

KINDS: tuple[Literal["random", "historical", "inductive"], ...] = ("random", "historical", "inductive")

TODYFORMER: dict[str, Any] = {
    "channels": 32, "num_layers": 1, "heads": 2, "window": 2048, "patches": 8, "time_dim": 28
}  # fmt: skip
"""Small and quick. On CollegeMsg, with one seed, two blocks of 64 channels and twice the window predicted no better."""

Scores = Mapping[str, float]
"""``valid`` (None for what is not chosen by it) and, of each kind, ``KIND ap`` and ``KIND auc`` of the test part."""


def streams() -> dict[str, sources.EventList]:
    return {
        "CollegeMsg": sources.EventList(str(DATA / "dynamic_collegemsg" / "CollegeMsg.txt")),
        "Enron": sources.EventList(str(DATA / "dynamic_enron" / "enron.csv"), columns=("src", "dst", "weight", "t")),
        "Bitcoin-OTC": sources.EventList(
            str(DATA / "dynamic_bitcoin_otc" / "soc-sign-bitcoinotc.csv"), columns=("src", "dst", "rating", "t")
        ),
    }


@dataclass(frozen=True)
class Method:
    """What predicts, in one of its settings.

    Attributes:
        name: Of the method. setting: Of this one.
        make: The model for a task.
        learns: Whether it is trained.
    """

    name: str
    setting: str
    make: Callable[[FutureLinkTask], Any]
    learns: bool = True

    @property
    def title(self) -> str:
        return f"{self.name} {self.setting}".strip()


def methods() -> list[Method]:
    def graph_mixer(recent: int, task: FutureLinkTask) -> nn.Module:
        return GraphMixerLike(100, num_recent=recent)

    def tgn(recent: int, task: FutureLinkTask) -> nn.Module:
        return TGNLike(task.events.num_nodes, 100, num_recent=recent, time_unit=typical_gap(task))

    def todyformer(options: dict[str, Any], task: FutureLinkTask) -> nn.Module:
        return Todyformer(**(TODYFORMER | options), **task.model_arguments)

    meetings, long = {"pair_meetings": True}, {"window": 32_768}

    return [
        Method("EdgeBank", "", lambda task: EdgeBank(), learns=False),
        Method("EdgeBank", "window", lambda task: EdgeBank(test_span(task)), learns=False),
        Method("GraphMixer-like", "K=20", partial(graph_mixer, 20)),
        *(Method("TGN-like", f"K={recent}", partial(tgn, recent)) for recent in (10, 20)),
        Method("Todyformer", "", partial(todyformer, {})),
        Method("Todyformer", "long", partial(todyformer, long)),
        Method("Todyformer", "pair meetings", partial(todyformer, meetings)),
        Method("Todyformer", "pair meetings, long", partial(todyformer, meetings | long)),
    ]


def test_span(task: FutureLinkTask) -> float:
    """The fixed window of EdgeBank's paper."""
    return float(task.events.t[-1] - task.events.t[task.split.valid_end])


def typical_gap(task: FutureLinkTask) -> float:
    """The median time between two events of a node in training, at least a second."""
    train = task.events[: task.split.train_end]
    nodes, t = torch.cat([train.src, train.dst]), train.t.repeat(2)
    by_time = t.argsort(stable=True)
    order = by_time[nodes[by_time].argsort(stable=True)]
    same = nodes[order].diff() == 0
    return max(1.0, float(t[order].diff()[same].median()))


def training(epochs: int, lr: float) -> GraphTraining:
    return GraphTraining(
        epochs=epochs, batch_size=200, lr=lr, schedule="cosine", warm_epochs=1 if epochs > 1 else 0, accelerator="cpu",
        checkpoint_every=10_000,
    )  # fmt: skip


def scores(scorer: LinkScorer, task: FutureLinkTask, valid: float | None) -> Scores:
    """Of the test part, against false events of each kind."""
    found: dict[str, Any] = {"valid": valid}
    for kind in KINDS:
        false = NegativeSampler(task.events, kind, observed=task.split.valid_end, seed=SCORE_SEEDS["test"])
        quality = evaluate_links(
            scorer, task.events, task.split.test, false.draw, batch_size=task.settings.score_batch,
            ties=task.settings.ties,
        )  # fmt: skip
        found |= {f"{kind} ap": 100 * quality.ap, f"{kind} auc": 100 * quality.auc}
    return found


def learnt(method: Method, task: FutureLinkTask, settings: GraphTraining, folder: Path, seed: int) -> Scores:
    """Train, and score the weights that are best in validation; what is done is read."""
    path, about = folder / "scores.json", {"source": task.source, "training": repr(settings)}
    if path.is_file():
        done = json.loads(path.read_text())
        if done.pop("about") == about:
            return done
    result = Contender(method.title, method.make, settings).run(task, folder, seed)
    model = method.make(task)
    best = latest_checkpoint(folder / "checkpoints", "best")
    assert best is not None  # else the training had failed
    task.objective(model).load_state_dict(load_checkpoint(best).model)
    found = scores(model, task, 100 * result["valid"])
    with atomic_write(path, "w") as file:
        json.dump({"about": about, **found}, file, indent=1)
    return found


def scored(task: FutureLinkTask, chosen: Sequence[Method], settings: GraphTraining, seeds: int,
           output: Path) -> dict[Method, list[Scores]]:  # fmt: skip
    """Scores of each method, one of each seed, or one if nothing is learnt."""
    found: dict[Method, list[Scores]] = {}
    for method in chosen:
        if method.learns:
            folder = output / slug(method.title)
            found[method] = [learnt(method, task, settings, folder / str(seed), seed) for seed in range(seeds)]
        else:
            found[method] = [scores(method.make(task), task, None)]
        print(row(method.title, found[method]), flush=True)
    return found


def table(task: FutureLinkTask, found: Mapping[Method, Sequence[Scores]]) -> str:
    return "\n  ".join([task.summary, *(row(method.title, runs) for method, runs in found.items())])


def chosen_in_validation(found: Mapping[Method, Sequence[Scores]]) -> list[Method]:
    """Of each method that learns the best setting; of the others all."""
    best: dict[str, Method] = {}
    for method, runs in found.items():
        name = method.name if method.learns else method.title
        if name not in best or mean(runs, "valid") > mean(found[best[name]], "valid"):
            best[name] = method
    return list(best.values())


def mean(runs: Sequence[Scores], key: str) -> float:
    return statistics.mean(run[key] for run in runs)


def row(title: str, runs: Sequence[Scores]) -> str:
    cells = [
        f"{kind} {spread([run[f'{kind} ap'] for run in runs]):>12} ({mean(runs, f'{kind} auc'):4.1f})" for kind in KINDS
    ]
    valid = "" if runs[0]["valid"] is None else f"   valid {mean(runs, 'valid'):5.2f}"
    return f"{title:<26} {'   '.join(cells)}{valid}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names, everyone = list(streams()), methods()
    families = list(dict.fromkeys(method.name for method in everyone))
    parser.add_argument("--sets", nargs="+", default=names, choices=names)
    parser.add_argument("--methods", nargs="+", default=families, metavar="NAME",
                        help=f"one of {', '.join(families)}, or a single setting: "
                        f"{', '.join(method.title for method in everyone if method.setting)}")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--output", type=Path, default=Path("runs/temporal_links"))
    arguments = parser.parse_args()
    chosen = [method for method in everyone if {method.name, method.title} & set(arguments.methods)]
    if unknown := set(arguments.methods) - {name for method in everyone for name in (method.name, method.title)}:
        parser.error(f"unknown method {', '.join(sorted(unknown))}")
    keep_freed_memory()
    settings, tables = training(arguments.epochs, arguments.lr), []
    for name in arguments.sets:
        task = streams()[name].task().checked()
        found = scored(task, chosen, settings, arguments.seeds, arguments.output / slug(name))
        best = chosen_in_validation(found)
        tables += [table(task, found), "chosen in validation\n  " + table(task, {one: found[one] for one in best})]
        print("\n" + "\n\n".join(tables) + "\n", flush=True)


if __name__ == "__main__":
    main()
