"""``python -m formerdata.waymo OUT --num-train 8 --num-val 2``: write built-in segments in Waymo's v2 layout."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and generate."""
    from formerdata.scenes.program import add_workers, generator_parser, run_generator
    from formerdata.waymo.built_in import SegmentSettings
    from formerdata.waymo.generate import generate_waymo

    parser = generator_parser("formerdata.waymo", str(__doc__), SegmentSettings, num_train=8, num_val=2)
    add_workers(parser)
    run_generator(parser, argv, generate_waymo)


if __name__ == "__main__":
    main()
