"""``python -m formerdata.nuscenes OUT --num-train 2 --num-val 1``: write built-in scenes in nuScenes' layout."""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> None:
    """Parse the command line and generate."""
    from jsonargparse import ArgumentParser

    from formerdata.nuscenes.built_in import VERSION, SceneSettings
    from formerkit.io import FormerkitError

    parser = ArgumentParser(prog="python -m formerdata.nuscenes", description=__doc__)
    parser.add_argument("root", type=str, help="Folder to write to.")
    parser.add_argument("--num-train", "--num_train", type=int, default=2, help="Scenes for training.")
    parser.add_argument("--num-val", "--num_val", type=int, default=1, help="Scenes for validation.")
    parser.add_argument("--seed", type=int, default=0, help="Names the series.")
    parser.add_argument("--version-name", "--version_name", type=str, default=VERSION, help="Folder of the tables.")
    parser.add_class_arguments(SceneSettings, "settings")
    # jsonargparse renamed it in 4.49.
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    chosen = instantiate(parser.parse_args(args))

    from formerdata.nuscenes.built_in import generate_nuscenes

    try:
        generate_nuscenes(
            chosen.root, num_train=chosen.num_train, num_val=chosen.num_val, seed=chosen.seed,
            settings=chosen.settings, version=chosen.version_name,
        )  # fmt: skip
    except (FormerkitError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
