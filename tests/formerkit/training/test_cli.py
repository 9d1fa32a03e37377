"""The command line: names, overrides, the built-in section, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser, Namespace

from formerkit.io import ConfigError
from formerkit.training.cli import load_yaml, parse_program


@dataclass(frozen=True)
class Inner:
    """Inner.

    Attributes:
        rate: A rate.
        counts: Numbers by name.
    """

    rate: float = 0.1
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """Data.

    Attributes:
        root: A folder.
        inner: More.
    """

    root: str = "none"
    inner: Inner | None = field(default_factory=Inner)


@dataclass(frozen=True)
class Training:
    """Training.

    Attributes:
        epochs: How many.
        max_lr: Peak.
    """

    epochs: int = 80
    max_lr: float = 1e-3


def build(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0)
    parser.add_class_arguments(Data, "data")
    parser.add_class_arguments(Training, "training")


def parse(*argv: str, real: bool = True) -> tuple[Namespace, dict]:
    return parse_program(build, argv, prog="p", description="d", needs_builtin=lambda config: not real)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(
        "training:\n  epochs: 5\n  max_lr: 1e-5\ndata:\n  inner: {rate: 0.5, counts: {Car: 3}}\n"
        "builtin:\n  training: {epochs: 2}\n  data:\n    inner: {rate: 0.7}\n"
    )
    return path


def test_file_over_defaults_and_command_line_over_file(config: Path) -> None:
    parsed, builtin = parse(str(config), "--training.epochs", "7", "--seed=3")
    assert (parsed.training.epochs, parsed.training.max_lr, parsed.seed) == (7, 1e-5, 3)
    assert parsed.data.inner.rate == 0.5
    assert parsed.data.inner.counts == {"Car": 3}
    assert builtin == {}


def test_the_builtin_section_stands_between(config: Path) -> None:
    parsed, builtin = parse(str(config), real=False)
    assert parsed.training.epochs == 2
    assert parsed.data.inner.rate == 0.7
    assert parsed.data.inner.counts == {"Car": 3}
    assert builtin == {"training.epochs": 2, "data.inner.rate": 0.7}
    parsed, _ = parse(str(config), "--training.epochs", "9", real=False)
    assert parsed.training.epochs == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainig: {epochs: 3}", r"c\.yaml: unknown key 'trainig\.epochs'; did you mean 'training\.epochs'\?"),
        ("training: {epoch: 3}", r"unknown key 'training\.epoch'; did you mean 'training\.epochs'\?"),
        ("epochs: 3", r"unknown key 'epochs'; did you mean 'training\.epochs'\?"),
        (
            "builtin: {training: {max_rl: 3}}",
            r"section builtin: unknown key 'training\.max_rl'; did you mean 'training\.max_lr'",
        ),
        ("training: {epochs: many}", r"c\.yaml: .*epochs"),
        ("- a\n- b", r"expected a mapping of sections, got list"),
        ("a: [", r"not YAML"),
    ],
)
def test_what_a_file_may_not_say(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse(str(path))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--training.epoch=3", r"unknown option '--training\.epoch'; did you mean 'training\.epochs'"),
        ("--data.rot=x", r"unknown option '--data\.rot'; did you mean 'data\.root'"),
        ("--training.epochs=x", "epochs"),
    ],
)
def test_what_the_command_line_may_not_say(config: Path, option: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(str(config), option)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        parse(str(tmp_path / "absent.yaml"))


def test_yaml_is_data(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: !!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigError, match="not YAML"):
        load_yaml(path)
    path.write_text("a: 1e-5\nb: 1.5\nc: 3\nd: '1e-5'\ne: -2.5E3\nf: 1_000\ng: off")
    values = load_yaml(path)
    assert values["a"] == 1e-5
    assert values["e"] == -2500.0
    assert [type(values[key]) for key in "abcd"] == [float, float, int, str]
