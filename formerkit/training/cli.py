"""The command line of a training program: a YAML file, then overrides with the same names.

``python -m PROGRAM CONFIG.yaml --training.epochs 3``. The file may have a section ``builtin``: what changes when there
is no real data and a built-in source takes its place. It is merged between the file and the command line. A file may
name another as its ``base``, beside it: it then says only what differs.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from formerkit.io import ConfigError

BUILTIN = "builtin"
BASE = "base"


_ALONE = ("--help", "-h", "--print_config")
"""Options that take no value; all others take one."""


class _Loader(yaml.SafeLoader):
    """YAML as data: ``1e-5`` is a number (PyYAML takes it for a word), a date is a word, a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if first := lines.get(key.value):
                raise yaml.YAMLError(f"line {line}: key '{key.value}' stands already in line {first}")
            lines[key.value] = line
        return super().construct_mapping(node, deep)


_OWN = ("tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN]
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
        ConfigError: If it is absent, not YAML, holds a key twice or itself, or is not a mapping.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
        dict(_flat({"": content}))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({error})") from error
    except RecursionError:
        raise ConfigError(f"{path}: not YAML that can be used (an alias refers to what it stands in)") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {type(content).__name__}")
    return content


def load_config(path: str | Path, *, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a configuration file, merged over its base if it names one.

    A section with another ``name`` than the base's takes its place, for its keys are those of something else.

    Args:
        path: The file.
        above: Files that led here.

    Raises:
        ConfigError: As :func:`load_yaml`, or if a base is no file name or leads back to a file that names it.
    """
    content, here = load_yaml(path), Path(path).resolve()
    if BASE not in content:
        return content
    base = content.pop(BASE)
    if not isinstance(base, str):
        raise ConfigError(f"{path}: {BASE}: expected the name of a configuration file, got {base!r}")
    if here in above:
        raise ConfigError(f"{path}: {BASE}: {' -> '.join(file.name for file in (*above, here))} leads in a circle")
    return _merged(load_config(here.parent / base, above=(*above, here)), content)


def peek(argv: Sequence[str], key: str, default: str) -> str:
    """What the command line, else its configuration file, says of one setting, before there is a parser.

    For settings on which the others depend: the name of a model, say.

    Raises:
        ConfigError: If the file cannot be read.
    """
    path, words = _split_config(argv)
    for number, word in enumerate(words):
        if word.startswith(f"--{key}="):
            return word.split("=", 1)[1]
        if word == f"--{key}" and number + 1 < len(words):
            return words[number + 1]
    content: Any = load_config(path) if path else {}
    for name in key.split("."):
        content = content.get(name, default) if isinstance(content, dict) else default
    return content if isinstance(content, str) else default


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
        SystemExit: After ``--help`` or ``--print_config`` (of the merged configuration).
    """
    path, words = _split_config(argv)
    parser = ArgumentParser(prog=prog, description=description, exit_on_error=False, usage=f"{prog} CONFIG [options]")
    parser.add_argument("--config", action=ActionConfigFile, help="configuration file; may also stand bare")
    build(parser)
    known = _known_keys(parser)
    content = load_config(path) if path else {}
    builtin = content.pop(BUILTIN, None)
    builtin = {} if builtin is None else builtin
    # One by one, so that an error names its source.
    for part, source in ((content, f"{path}"), (builtin, f"{path}, section {BUILTIN}")):
        _check_section(part, known, source)
        try:
            _parse(parser, part, [], source)
        except ConfigError as error:
            # What a part leaves out another part or the command line may bring; the whole is parsed below.
            if "arguments are required" not in str(error):
                raise
    _check_options(words, known)
    config = _parse(parser, content, [word for word in words if not _is_print(word)], "command line")
    applied = builtin if needs_builtin(config) else {}
    config = _parse(parser, _merged(content, applied), words, "command line")
    return config, dict(_flat(applied))


def _is_print(word: str) -> bool:
    return word.split("=", 1)[0] == "--print_config"


def _split_config(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The configuration file, wherever it stands, and the other words."""
    paths: list[str] = []
    words: list[str] = []
    queue = list(argv)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            paths.append(word)
        elif word.startswith("--config="):
            paths.append(word.split("=", 1)[1])
        elif word == "--config" and queue:
            paths.append(queue.pop(0))
        else:
            words.append(word)
            if queue and "=" not in word and word not in _ALONE and not queue[0].startswith("--"):
                words.append(queue.pop(0))
    if len(paths) > 1:
        raise ConfigError(f"command line: one configuration file is expected, got {' and '.join(paths)}")
    return (paths[0] if paths else None), words


def _parse(parser: ArgumentParser, content: dict[str, Any], words: Sequence[str], source: str) -> Namespace:
    try:
        return parser.parse_args(["--config", yaml.safe_dump(content), *words])
    except (ArgumentError, ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{source}: {' '.join(str(error).split())}") from error


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` upon ``base``; a section that names something else (``name: ...``) takes the place of the base's."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if (
            isinstance(value, dict)
            and isinstance(below, dict)
            and value.get("name", below.get("name")) == below.get("name")
        ):
            value = _merged(below, value)
        result[key] = value
    return result


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _known_keys(parser: ArgumentParser) -> dict[str, bool]:
    """Dotted names of all settings, and whether names that nobody can list may follow (a mapping's keys)."""
    keys: dict[str, bool] = {}
    for action in parser._actions:  # there is no public list
        hint = getattr(action, "_typehint", None)
        if hint is not None:
            keys.update(_keys_of(action.dest, hint))
    return keys


def _keys_of(name: str, hint: Any) -> Iterator[tuple[str, bool]]:
    """The setting itself and, where it may be a dataclass (``Flip | None``, say), that one's fields."""
    choices = [choice for choice in (get_args(hint) or (hint,)) if choice is not NoneType]
    groups = [choice for choice in choices if dataclasses.is_dataclass(choice)]
    is_mapping = any(get_origin(choice) in (dict, Mapping) for choice in (hint, *choices))
    yield name, is_mapping
    for group in () if is_mapping else groups:
        hints = get_type_hints(group)
        for field in dataclasses.fields(group):
            yield from _keys_of(f"{name}.{field.name}", hints[field.name])


def _check_section(content: Any, known: dict[str, bool], source: str) -> None:
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: expected a mapping of sections, got {content!r}")
    for key, value in _flat(content):
        if key in known or any(is_open and key.startswith(f"{name}.") for name, is_open in known.items()):
            continue
        if not any(name.startswith(f"{key}.") for name in known):
            raise ConfigError(f"{source}: unknown key '{key}'{_nearest(key, known)}")
        if value != {}:
            raise ConfigError(f"{source}: '{key}' is a section: expected a mapping of its keys, got {value!r}")


def _check_options(words: Sequence[str], known: dict[str, bool]) -> None:
    for word in words:
        if not word.startswith("--") or word in _ALONE or _is_print(word):
            continue
        key = word[2:].split("=", 1)[0]
        if key in known or any(is_open and key.startswith(f"{name}.") for name, is_open in known.items()):
            continue
        if any(name.startswith(f"{key}.") for name in known):
            raise ConfigError(f"command line: '--{key}' is a section: set its keys, '--{key}.NAME VALUE'")
        raise ConfigError(f"command line: unknown option '--{key}'{_nearest(key, known)}")


def _nearest(key: str, known: dict[str, bool]) -> str:
    """The known name that is most alike; the right word in the wrong section comes first."""
    same_word = [name for name in known if name.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    close = difflib.get_close_matches(key, same_word or known, n=1, cutoff=0.0 if same_word else 0.5)
    return f"; did you mean '{close[0]}'?" if close else ""
