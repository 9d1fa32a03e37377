"""The command line of a training program: a YAML file, then overrides with the same names.

``python -m PROGRAM CONFIG.yaml --training.epochs 3``. The file may have a section ``builtin``: what changes when there
is no real data and a built-in source takes its place. It is merged between the file and the command line.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from formerkit.io import ConfigError

BUILTIN = "builtin"


class _Loader(yaml.SafeLoader):
    """YAML as data, and ``1e-5`` a number (PyYAML takes it for a word)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.inf$|^\.nan$", re.IGNORECASE),
    list("-+0123456789."),
)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: If it is absent or not a mapping.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {type(content).__name__}")
    return content


def parse_program(
    build: Callable[[ArgumentParser], None],
    argv: Sequence[str],
    *,
    prog: str,
    description: str,
    needs_builtin: Callable[[Namespace], bool],
) -> tuple[Namespace, dict[str, Any]]:
    """Parse a program's configuration.

    Args:
        build: Adds the program's arguments to a parser.
        argv: Command line without the program's name.
        prog, description: For ``--help``.
        needs_builtin: Whether, with this configuration, there is no real data.

    Returns:
        The configuration, not yet instantiated, and the ``builtin`` section that was applied, flat (empty if none was).

    Raises:
        ConfigError: On an unknown key, with the nearest known one, or an impossible value.
    """
    path, rest = _split_config(argv)
    parser = ArgumentParser(prog=prog, description=description, exit_on_error=False, usage=f"{prog} CONFIG [options]")
    parser.add_argument("--config", action=ActionConfigFile, help="configuration file; may also come first, bare")
    build(parser)
    content = load_yaml(path) if path else {}
    builtin = content.pop(BUILTIN, None) or {}
    known = _known_keys(parser)
    _refuse_unknown(content, known, path)
    _refuse_unknown(builtin, known, f"{path}, section {BUILTIN}")
    _refuse_unknown_options(rest, known)
    config = _parse(parser, content, rest, path)
    if not needs_builtin(config):
        return config, {}
    return _parse(parser, _merged(content, builtin), rest, path), dict(_flat(builtin))


def _split_config(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The configuration file, if the first word is one, and the other words."""
    if argv and not argv[0].startswith("-"):
        return argv[0], list(argv[1:])
    return None, list(argv)


def _parse(parser: ArgumentParser, content: dict[str, Any], rest: Sequence[str], path: str | None) -> Namespace:
    from argparse import ArgumentError

    try:
        return parser.parse_args(["--config", json.dumps(content), *rest])
    except (ArgumentError, ValueError, TypeError) as error:
        raise ConfigError(f"{path or 'command line'}: {error}") from error


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _known_keys(parser: ArgumentParser) -> dict[str, bool]:
    """Dotted names of all options, and whether more names may follow (mappings and optional groups)."""
    keys = {}
    for action in parser._actions:
        if action.option_strings and action.dest not in ("help", "config", "print_config", "print_shtab"):
            text = str(getattr(action, "_typehint", ""))
            keys[action.dest] = "Mapping" in text or "dict" in text.lower() or "None" in text or "Union" in text
    return keys


def _refuse_unknown(content: dict[str, Any], known: dict[str, bool], source: str | None) -> None:
    for key, _ in _flat(content):
        if not _is_known(key, known):
            raise ConfigError(f"{source}: unknown key '{key}'{_nearest(key, known)}")


def _refuse_unknown_options(words: Sequence[str], known: dict[str, bool]) -> None:
    for word in words:
        if word.startswith("--"):
            key = word[2:].split("=", 1)[0]
            if key not in ("help", "config", "print_config") and not _is_known(key, known):
                raise ConfigError(f"command line: unknown option '--{key}'{_nearest(key, known)}")


def _is_known(key: str, known: dict[str, bool]) -> bool:
    if key in known or any(name.startswith(f"{key}.") for name in known):
        return True
    return any(opens and key.startswith(f"{name}.") for name, opens in known.items())


def _nearest(key: str, known: dict[str, bool]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if not close:
        # The right name in the wrong section.
        close = [name for name in known if name.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]][:1]
    return f"; did you mean '{close[0]}'?" if close else ""
