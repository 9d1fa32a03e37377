"""``python -m formerdata.nuscenes OUT --num-train 2 --num-val 1``: write built-in scenes in nuScenes' layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and generate."""
    from formerdata.nuscenes.built_in import VERSION, SceneSettings, generate_nuscenes
    from formerdata.scenes.program import generator_parser, run_generator

    def generate(version_name: str, **chosen: Any) -> None:
        generate_nuscenes(version=version_name, **chosen)

    parser = generator_parser("formerdata.nuscenes", str(__doc__), SceneSettings, num_train=2, num_val=1)
    parser.add_argument("--version-name", "--version_name", type=str, default=VERSION, help="Folder of the tables.")
    run_generator(parser, argv, generate)


if __name__ == "__main__":
    main()
