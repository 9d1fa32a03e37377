"""``python -m formerdata.waymo.submit detections.bin submission.bin --account_name ... --unique_method_name ...``.

Puts detections, as ``pointdet.test`` writes them, into the form that Waymo's leaderboard takes (packed as ``.tar.gz``).
"""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    from jsonargparse import ArgumentParser

    from formerdata.waymo.objects_file import read_objects
    from formerdata.waymo.submission import SubmissionInfo, write_submission
    from formerkit.io import FormerkitError

    parser = ArgumentParser(prog="python -m formerdata.waymo.submit", description=__doc__)
    parser.add_argument("detections", type=str, help="a file of objects: detections.bin of pointdet.test")
    parser.add_argument("output", type=str, help="the submission to write")
    parser.add_class_arguments(SubmissionInfo)
    options = vars(parser.parse_args(args))
    options.pop("config", None)
    source, output = options.pop("detections"), options.pop("output")
    try:
        found = read_objects(source)
        write_submission(output, found, SubmissionInfo(**options))
    except (FormerkitError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(found)} detections in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
