"""``python -m formerdata.scenes OUT --num-train 200 --num-val 50``: write built-in scenes as a KITTI folder."""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> None:
    """Parse the command line and generate."""
    from jsonargparse import ArgumentParser

    from formerdata.scenes.settings import SceneSettings
    from formerkit.io import FormerkitError

    parser = ArgumentParser(prog="python -m formerdata.scenes", description=__doc__)
    parser.add_argument("root", type=str, help="Folder to write to; absent, empty, or made by the same command.")
    parser.add_argument("--num-train", "--num_train", type=int, default=200, help="Scenes in the train split.")
    parser.add_argument("--num-val", "--num_val", type=int, default=50, help="Scenes in the val split.")
    parser.add_argument("--seed", type=int, default=0, help="Names the series of scenes.")
    parser.add_argument(
        "--num-workers", "--num_workers", type=int, default=None, help="Processes (default: one a core)."
    )
    parser.add_class_arguments(SceneSettings, "settings")
    # jsonargparse renamed it in 4.49.
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    chosen = instantiate(parser.parse_args(args))

    from formerdata.scenes.generate import generate

    try:
        generate(**vars(chosen))
    except (FormerkitError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
