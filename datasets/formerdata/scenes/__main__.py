"""``python -m formerdata.scenes OUT --num-train 200 --num-val 50``: write built-in scenes as a KITTI folder."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and generate."""
    from formerdata.scenes.generate import generate
    from formerdata.scenes.program import add_workers, generator_parser, run_generator
    from formerdata.scenes.settings import SceneSettings

    parser = generator_parser("formerdata.scenes", str(__doc__), SceneSettings, num_train=200, num_val=50)
    add_workers(parser)
    run_generator(parser, argv, generate)


if __name__ == "__main__":
    main()
