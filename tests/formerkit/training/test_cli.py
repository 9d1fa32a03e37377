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
        ("experiment: {general: {seed: 3}}", r"unknown key 'experiment\.general\.seed'; did you mean 'seed'\?"),
        ("data: {inner: {max_lr: 3}}", r"unknown key 'data\.inner\.max_lr'; did you mean 'training\.max_lr'\?"),
        ("epochs: 3", r"unknown key 'epochs'; did you mean 'training\.epochs'\?"),
        (
            "builtin: {training: {max_rl: 3}}",
            r"section builtin: unknown key 'training\.max_rl'; did you mean 'training\.max_lr'",
        ),
        ("training: {epochs: many}", r"c\.yaml: .*epochs"),
        ("training: 5", r"'training' is a section: expected a mapping of its keys, got 5"),
        ("training:", r"'training' is a section: expected a mapping of its keys, got None"),
        ("builtin: 3", r"section builtin: expected a mapping of sections, got 3"),
        ("builtin: {training: {epochs: many}}", r"c\.yaml, section builtin: .*training\.epochs.*many"),
        ("seed: 1\ntraining: {epochs: 3}\nseed: 2", r"line 3: key 'seed' stands already in line 1"),
        ("data: {inner: {rat: 3}}", r"unknown key 'data\.inner\.rat'; did you mean 'data\.inner\.rate'\?"),
        (
            "data: {inner: {class_path: os.system, init_args: {command: 'true'}}}",
            r"unknown key 'data\.inner\.class_path'",
        ),
        ("class_path: os.system", r"unknown key 'class_path'"),
        ("data: &x {root: *x}", r"c\.yaml: not YAML"),
        ("training: {epochs: 2024-01-01}", r"epochs.*2024-01-01"),
        ("", r"expected a mapping of sections, got NoneType"),
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
        ("--training.epochs=x", r"^command line: .*epochs.*int.*x$"),
        ("--data.inner.rat=1", r"unknown option '--data\.inner\.rat'; did you mean 'data\.inner\.rate'"),
        ("--max_lr=1", r"unknown option '--max_lr'; did you mean 'training\.max_lr'"),
        ("--training.epochs", "expected one argument"),
        ("--training=5", r"'--training' is a section"),
        ("--zzzzzz=1", r"unknown option '--zzzzzz'$"),
        ("other.yaml", r"one configuration file is expected, got .*c\.yaml and other\.yaml"),
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
    path.write_text("a: 1e-5\nb: 1.5\nc: 3\nd: '1e-5'\ne: -2.5E3\nf: 2024-01-01")
    values = load_yaml(path)
    assert values["a"] == 1e-5
    assert values["e"] == -2500.0
    assert [type(values[key]) for key in "abcdf"] == [float, float, int, str, str]


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"seed: \xff")
    with pytest.raises(ConfigError, match=r"c\.yaml: not YAML"):
        load_yaml(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path)


def test_the_file_may_stand_anywhere(config: Path) -> None:
    expected, _ = parse(str(config), "--training.epochs", "7", "--seed", "-3")
    for words in (
        ("--training.epochs", "7", str(config), "--seed", "-3"),
        ("--training.epochs=7", "--seed=-3", str(config)),
        ("--seed=-3", "--config", str(config), "--training.epochs=7"),
        (f"--config={config}", "--training.epochs=7", "--seed", "-3"),
    ):
        parsed, _ = parse(*words)
        assert parsed.training == expected.training
        assert parsed.data == expected.data
        assert parsed.seed == -3


def test_an_optional_group_can_be_switched_off_and_a_mapping_s_entry_set(config: Path) -> None:
    assert parse(str(config), "--data.inner", "null")[0].data.inner is None
    assert parse(str(config), "--data.inner.counts.Car", "9")[0].data.inner.counts == {"Car": 9}


def test_no_file_means_the_defaults() -> None:
    parsed, builtin = parse(real=False)
    assert (parsed.seed, parsed.training.epochs, builtin) == (0, 80, {})


@pytest.mark.parametrize("text", ["1e-5", "1E-5", "1.5e3", "-2", ".5", ".inf", "1_000.5"])
def test_numbers_mean_the_same_in_the_file_and_on_the_command_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"training: {{max_lr: {text}}}")
    value = parse(str(path))[0].training.max_lr
    assert value == float(text.replace(".inf", "inf"))
    if "_" not in text:
        path.write_text("{}")
        assert parse(str(path), f"--training.max_lr={text}")[0].training.max_lr == value


@pytest.mark.parametrize("real", [True, False])
def test_the_printed_configuration_is_merged_and_can_be_read_again(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], real: bool
) -> None:
    words = (str(config), "--data.inner.rate=1e-7")
    with pytest.raises(SystemExit) as done:
        parse(*words, "--print_config", "--seed", "4", real=real)
    assert done.value.code == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    again, _ = parse(str(printed))
    expected, _ = parse(*words, "--seed", "4", real=real)
    assert expected.training.epochs == (5 if real else 2)
    assert (again.seed, again.data, again.training) == (4, expected.data, expected.training)


def test_help_lists_names_types_meanings_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        parse("--help")
    assert done.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "p CONFIG [options]" in out
    assert "--training.epochs EPOCHS How many. (type: int, default: 80)" in out
    assert "--training.max_lr MAX_LR Peak. (type: float, default: 0.001)" in out


def test_a_file_says_only_what_differs_from_its_base(config: Path) -> None:
    child = config.parent / "child.yaml"
    child.write_text(f"base: {config.name}\ntraining: {{max_lr: 0.5}}\nbuiltin: {{seed: 9}}\n", encoding="utf-8")
    base, child_config = parse(str(config), real=False)[0], parse(str(child), real=False)[0]
    assert child_config.training.max_lr == 0.5
    assert child_config.training.epochs == base.training.epochs != Training().epochs
    assert child_config.seed == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: nowhere.yaml", "nowhere.yaml: cannot be read"),
        ("base: 3", "base: expected the name of a configuration file, got 3"),
        ("base: child.yaml", "child.yaml -> child.yaml leads in a circle"),
    ],
)
def test_a_base_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    child = tmp_path / "child.yaml"
    child.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        parse(str(child))
