"""What programs that look over a folder of data have in common: their command line, output and exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from formerkit.io import DataError


class Checked(Protocol):
    """A part of a data set that was looked at."""

    problems: list[str]


Part = TypeVar("Part", bound=Checked)


def run_check(
    argv: Sequence[str] | None,
    usage: str | None,
    check: Callable[[str], Sequence[Part]],
    report: Callable[[Sequence[Part]], str],
) -> int:
    """Check the folder that the command line names, and print what was found.

    Args:
        argv: The command line without the program's name; that of the process if None.
        usage: What ``--help`` prints.
        check: From a folder to its parts.
        report: From them to text.

    Returns:
        The exit code: 0 without problems, 1 with some, 2 on a command line that is wrong or if ``check`` finds no data.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(usage)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    try:
        parts = check(arguments[0])
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(parts))
    problems = sum(len(part.problems) for part in parts)
    print(f"{problems} problems" if problems else "no problems")
    return 1 if problems else 0
