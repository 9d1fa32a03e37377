"""Weights of the reference implementation of LION to ours and back.

``python -m pointdet.convert REFERENCE.pth OUT.safetensors --config configs/lion_kitti.yaml`` takes a checkpoint in
OpenPCDet's format; ``python -m pointdet.convert --to-reference OURS OUT.pth`` writes one, of a converted file or a
checkpoint of ``pointdet.train``. Settings of the configuration can be overridden: ``--model.operator retnet``.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, BooleanOptionalAction, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import formerkit
from formerkit.io import CheckpointError, ConfigError, FormerkitError

if TYPE_CHECKING:
    from pointdet.reference_match import Layout


def import_reference(
    source: str,
    output: str,
    config: dict[str, Any],
    *,
    strict: bool = True,
    layout: Layout = "auto",
    limit: int | None = 20,
) -> list[str]:
    """Convert a checkpoint of the reference to a file of ours.

    Args:
        source: A file in OpenPCDet's format.
        output: The file to write, ``.safetensors``.
        config: Resolved configuration of the model.
        strict: Demand that every entry fits. Otherwise what does not is listed and left out; a file in which
            entries are missing can be converted back and loaded in part, but is not a detector.
        layout: Of the kernels of sparse convolutions, see :data:`pointdet.reference_match.Layout`.
        limit: How many names of a kind a message has at most.

    Returns:
        What was done, in lines for people.

    Raises:
        CheckpointError: If the file cannot be used; the message names every entry that does not fit, up to ``limit``
            of a kind, and says which model it looks like.
        OSError: If the output cannot be written.
    """
    from formerkit.training.weights import SUFFIX, save_weights
    from pointdet.reference_checkpoint import origin, read_reference
    from pointdet.reference_match import match
    from pointdet.settings import model_from_config

    if Path(output).suffix != SUFFIX:
        raise ConfigError(f"output: expected a name that ends with {SUFFIX}, got {output}")
    checkpoint = read_reference(source)
    try:
        expected = model_from_config(config).state_dict()
        result = match(checkpoint.state, expected, config["model"]["operator"], layout=layout)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"model: {error.args[0]}") from error
    if not result.is_whole and (strict or not result.weights):
        hint = "" if not result.weights else "\n  (--no-strict takes what fits and lists the rest)"
        raise CheckpointError(f"{source}: not of this model\n  " + "\n  ".join(result.lines(limit)) + hint)
    state = {
        "formerkit": formerkit.__version__,
        "config": config,
        "reference": origin(source, checkpoint, result.turned),
        "missing": result.missing,
        "left_out": [*result.unexpected, *result.unusable],
    }
    digest = save_weights(output, result.weights, state)
    count = sum(value.numel() for value in result.weights.values())
    about = [f"{name} {checkpoint.about[name]}" for name in ("epoch", "it", "version") if name in checkpoint.about]
    lines = [f"read {source}: {result.found}" + "".join(f", {text}" for text in about)]
    lines += [] if result.is_whole else result.lines(limit)
    lines.append(f"taken: {len(result.weights)} of {len(expected)} entries, {count:,} numbers")
    if result.turned:
        lines.append(f"turned from spconv 1's layout: {len(result.turned)} kernels")
    counter = [f"global_step ({checkpoint.about['global_step']})"] if "global_step" in checkpoint.about else []
    if not_taken := [*counter, *checkpoint.not_taken]:
        lines.append(f"not taken: {', '.join(not_taken)}")
    return [*lines, f"wrote {output}, SHA-256 {digest}"]


def export_reference(source: str, output: str) -> list[str]:
    """Convert weights of ours to a file in OpenPCDet's format, without state of an optimiser.

    What came from the reference goes back with the same names, order, bits and layout.

    Args:
        source: A converted file, a checkpoint of ``pointdet.train``, or a run.
        output: The file to write; its SHA-256 is written beside it.

    Returns:
        What was done, in lines for people.

    Raises:
        CheckpointError: If the source is damaged or not of a detector of this version.
        ConfigError: If the output has the name of a file of ours.
        OSError: If the output cannot be written.
    """
    from formerkit.training.weights import SUFFIX
    from pointdet.checkpoints import stored_weights
    from pointdet.reference_checkpoint import reference_content, write_reference

    if Path(output).suffix == SUFFIX:
        raise ConfigError(f"output: expected the name of a checkpoint of OpenPCDet's, .pth, got {output}")
    weights, state = stored_weights(source)
    about = state.get("reference") or {"it": state.get("step", 0)}
    try:
        content = reference_content(weights, state["config"]["model"]["operator"], about)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{source}: not of a detector of this version ({error})") from error
    digest = write_reference(output, content)
    return [f"wrote {output}: {len(content['model_state'])} entries, SHA-256 {digest} (also in {output}.sha256)"]


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m pointdet.convert", description=__doc__, formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("source", help="checkpoint to convert")
    parser.add_argument("output", help="file to write")
    parser.add_argument("--config", help="configuration of the model that the checkpoint is of")
    parser.add_argument("--to-reference", action="store_true", help="ours to OpenPCDet's format")
    parser.add_argument(
        "--strict", action=BooleanOptionalAction, default=True, help="refuse what does not fit in every entry"
    )
    parser.add_argument(
        "--layout", choices=("auto", "new", "old"), default="auto",
        help="of sparse kernels: [out, k, k, k, in] is new, [k, k, k, in, out] old; auto tells by the shape",
    )  # fmt: skip
    parser.add_argument("--all-names", action="store_true", help="list all names that do not fit, however many")
    return parser


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The program's own words, and those that override settings, whose names have dots."""
    words: list[str] = []
    overrides: list[str] = []
    queue = list(argv)
    while queue:
        word = queue.pop(0)
        if not word.startswith("--") or "." not in word.split("=", 1)[0]:
            words.append(word)
            continue
        overrides.append(word)
        if "=" not in word and queue:
            overrides.append(queue.pop(0))
    return words, overrides


def _resolved(path: str | None, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of a file with overrides.

    Raises:
        ConfigError: If there is no file, or it is not understood.
    """
    from formerkit.training.resume import plain
    from pointdet.settings import parse

    if path is None:
        raise ConfigError("--config: expected the configuration of the model, configs/lion_kitti.yaml for one")
    config, _ = parse(
        [path, *overrides], prog="python -m pointdet.convert", description="", needs_builtin=lambda _: False
    )
    return plain(config)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    words, overrides = _split(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(words)
    try:
        if options.to_reference:
            if options.config or overrides:
                given = " ".join(["--config"] * bool(options.config) + overrides)
                raise ConfigError(f"{given}: not used with --to-reference: what is converted carries its configuration")
            lines = export_reference(options.source, options.output)
        else:
            config = _resolved(options.config, overrides)
            limit = None if options.all_names else 20
            lines = import_reference(
                options.source, options.output, config, strict=options.strict, layout=options.layout, limit=limit
            )
    except (FormerkitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
