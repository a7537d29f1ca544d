"""What the Markdown files say is there: links, anchors, files, modules, commands, options, settings, specs and keys."""

import importlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer
import yaml
from markdown_it import MarkdownIt

from flows.cli import app
from generators import GENERATORS
from pipelines.modality import MODALITIES
from pipelines.plan.registry import generator_class, validator_class
from schemas import reference
from schemas.base import Part
from schemas.policy import Policy
from schemas.spec import Spec, parse
from tests.conftest import ROOT

PACKAGES = ("flows", "pipelines", "generators", "schemas")
FOLDERS = (*PACKAGES, "infra", "tests")
GOOD = {"name": "x", "source": {"path": "a.csv"}, "output": {"path": "out"}}
"""What completes a block that shows a part of a spec."""


def named(page):
    return page.relative_to(ROOT).as_posix()


PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")))
    if "templates" not in path.parts
)
every_page = pytest.mark.parametrize("page", PAGES, ids=named)


def registered():
    """Return by modality its default generator, all its validators, and lists of default ones."""
    return {
        name: (
            one.generator,
            list(one.validators),
            [list(checks) for checks in (one.checks, one.marked_checks) if checks],
        )
        for name, one in MODALITIES.items()
    }


@cache
def tokens(page):
    """Return the page's tokens, those inside of lines too, in order."""
    flat = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8")):
        flat += [token, *(token.children or ())]
    return flat


@cache
def anchors(page):
    """Return the anchors that forges give the page's headings."""
    found, inline = [], False
    for token in tokens(page):
        if inline and token.type == "inline":
            plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)|[`*]", lambda link: link[1] or "", token.content)
            found.append(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
        inline = token.type == "heading_open"
    return [
        anchor if not (before := found[:at].count(anchor)) else f"{anchor}-{before}" for at, anchor in enumerate(found)
    ]


def targets(page):
    """Yield where each link and picture of the page leads."""
    for token in tokens(page):
        if token.type in ("link_open", "image"):
            yield token.attrGet("href") or token.attrGet("src")
        elif token.type in ("html_inline", "html_block"):
            yield from re.findall(r'(?:src|href)="([^"]+)"', token.content)


def code_spans(page):
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def blocks(page, *languages):
    return [token.content for token in tokens(page) if token.type == "fence" and token.info.strip() in languages]


def said(page):
    """Return all lines of code of the page, in blocks of a terminal and in backticks, without remarks."""
    lines = [line for block in blocks(page, "", "bash") for line in block.splitlines()]
    return [re.sub(r"\s+#\s.*", "", line) for line in [*lines, *code_spans(page)]]


def test_the_front_door_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180


def test_every_folder_that_a_reader_enters_has_a_page():
    rooms = {page.parent.relative_to(ROOT).as_posix() for page in PAGES}
    assert {
        *PACKAGES,
        "infra",
        "tests/benchmarks",
        "pipelines/source",
        "pipelines/validate",
        "pipelines/judge",
    } <= rooms


@every_page
def test_every_link_leads_somewhere(page):
    for target in targets(page):
        if re.match(r"(https?|mailto):", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.is_relative_to(ROOT), f"{target} leads out of the project"
        assert to.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(to), f"{target}: {to.name} has the anchors {anchors(to)}"


def test_every_page_is_reached_from_the_front_door():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [to for target in targets(page) if (to := (page.parent / target.split("#")[0]).resolve()) in PAGES]
    assert set(PAGES) == reached


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=named)
def test_every_file_in_backticks_is_there(page):  # a changelog also names what is gone since
    names = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    for code in code_spans(page):
        if re.fullmatch(r"\.?[\w-]+(/[\w.-]+)*/?", code) and code.strip("./").split("/")[0] in (*FOLDERS, "ci"):
            if "/" in code:
                assert (ROOT / code).exists() or (page.parent / code).exists(), f"`{code}` is not there"
        elif re.fullmatch(r"[\w/]+\.py", code):
            assert code.rpartition("/")[2] in names, f"no file is named `{code}`"


@every_page
def test_every_module_that_is_named_is_there(page):
    for line in said(page):
        for package, rest in re.findall(rf"\b({'|'.join((*PACKAGES, 'tests'))})((?:\.\w+)+)\b(?![/-])", line):
            whole = f"{package}{rest}"
            if not whole.endswith((".py", ".md", ".yaml", ".json")):
                assert there(whole), f"`{line}`: no module or name {whole}"


def there(name):
    """Whether a dotted name is that of a package, a module or of something in one."""
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module, _, attribute = name.rpartition(".")
    return module != "" and there(module) and hasattr(importlib.import_module(module), attribute)


@every_page
def test_every_command_and_option_is_known(page):
    known = typer.main.get_command(app)
    for line in said(page):
        if not (found := re.match(r"(?:\$ )?(?:\.venv/bin/)?makeweight\s+(\S.*)", line)):
            continue
        name, *rest = found[1].split()
        command = known if name.startswith("--") else known.commands.get(name)
        assert command is not None or not re.fullmatch("[a-z-]+", name), f"`{line}`: no command {name}"
        for word in [name, *rest] if command else ():
            if word.startswith("--"):
                assert word.split("=")[0] in {option for one in command.params for option in one.opts}, (
                    f"`{line}`: {word}"
                )


@every_page
def test_every_target_of_make_is_there(page):
    makefile = (ROOT / "Makefile").read_text()
    for line in said(page):
        if found := re.fullmatch(r"make ([a-z-]+)", line.strip()):
            assert re.search(f"^{found[1]}:", makefile, re.MULTILINE), line


@every_page
def test_every_setting_is_read_somewhere(page):
    files = [path for folder in (*PACKAGES, "infra") for path in (ROOT / folder).rglob("*") if path.is_file()]
    code = (
        "".join(path.read_text() for path in files if path.suffix in (".py", ".sh")) + (ROOT / "Makefile").read_text()
    )
    own = {"MAKEWEIGHT_KEY", "MAKEWEIGHT_KEY_"}  # a user's own: a spec names them
    for name in set(re.findall(r"MAKEWEIGHT_\w+", "\n".join(said(page)))) - own:
        assert name in code, f"nothing reads {name}"


@every_page
def test_every_spec_is_one(page):
    for block in blocks(page, "yaml"):
        shown = yaml.safe_load(block)
        if set(shown) <= set(Policy.model_fields):
            parse(Policy, shown)
            continue
        spec = parse(Spec, {**GOOD, **shown})
        name = spec.generator.name or ""
        if name and ":" not in name:
            parse(generator_class(name).Params, spec.generator.params)
        modality = spec.source.modality or "tabular"
        for step in spec.validators or ():
            parse(validator_class(step.name, modality).Params, step.params)


def test_a_whole_spec_shows_every_key():
    whole = next(yaml.safe_load(block) for block in blocks(reference.PAGE, "yaml"))
    assert not set(missing(Spec, whole)), "give these keys an example in schemas/README.md"


def missing(model, shown, path=""):
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in shown:
            yield f"{path}{key}"
        elif inner := reference.part_of(field):
            yield from missing(inner, shown[key], f"{path}{key}.")


def test_every_key_of_the_spec_is_described():
    parts, bare = [Part], []
    while parts:
        part = parts.pop()
        parts += part.__subclasses__()
        if part.__module__.startswith("schemas."):
            bare += [f"{part.__name__}.{name}" for name, field in part.model_fields.items() if not field.description]
    assert not bare, "give these fields a description"


def test_the_reference_is_up_to_date():
    text = reference.PAGE.read_text(encoding="utf-8")
    assert reference.page(text) == text, "the models changed: run `python -m schemas.reference`"


def test_the_reference_tells_bounds_defaults_and_parts():
    lines = reference.reference().splitlines()
    assert "| `actors` | whole number (1 or more) |  |" in "\n".join(lines)
    assert any(line.startswith("| `output` | a part: [output](#output) | **needed** |") for line in lines)
    assert any(line.startswith('| `fit` | `crop`, `pad`, `stretch` | `"crop"` |') for line in lines)
    assert any(line.startswith("| `splits` | mapping of text to number (more than 0, 1 or less) |") for line in lines)


def test_a_page_without_its_marks_is_left_alone():
    with pytest.raises(ValueError, match="the page holds no <!-- begin"):
        reference.page("all that was written by hand\n")


def rows_of(page):
    """Yield the cells of each row of the page's tables, as they are written."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def names_in(cell):
    return re.findall(r"`([\w]+)`", cell)


def test_every_generator_is_told_of_with_parameters_that_it_has():
    told = {}
    for cells in rows_of(ROOT / "generators/README.md"):
        if len(cells) == 5:
            told.update(dict.fromkeys(names_in(cells[0]), (cells[0], set(names_in(cells[4])))))
    assert set(told) == set(GENERATORS)
    for name, (_, params) in told.items():
        assert params <= set(generator_class(name).Params.model_fields), name
        needed = {key for key, field in generator_class(name).Params.model_fields.items() if field.is_required()}
        assert needed <= params, name
    assert {name for name, (cell, _) in told.items() if "(default)" in cell} == {
        default for default, _, _ in registered().values()
    }
    assert set(GENERATORS) <= {name for cells in rows_of(ROOT / "README.md") for name in names_in(cells[1])}


def test_every_validator_is_told_of_with_all_its_parameters():
    page = ROOT / "pipelines/validate/README.md"
    told = {
        names_in(cells[0])[0]: set(names_in(cells[3])) for cells in rows_of(page) if names_in(cells[0]) and cells[3:]
    }
    params = {}
    for modality, (_, validators, _) in registered().items():
        for name in validators:
            params.setdefault(name, set()).update(validator_class(name, modality).Params.model_fields)
    assert told == params
    defaults = [names_in(cells[1]) for cells in rows_of(page) if len(cells) == 2 and names_in(cells[1])]
    assert defaults == [names for _, _, checks in registered().values() for names in checks]


def test_the_pictures_are_small_and_show_folders_that_are_there():
    pictures = {ROOT / "infra/pictures" / name for name in ("route.svg", "report.png")}
    assert {(page.parent / target).resolve() for page in PAGES for target in targets(page)} >= pictures
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
    shown = set(re.findall(r'class="folder"[^>]*>(\w+)<', (ROOT / "infra/pictures/route.svg").read_text()))
    rooms = {path.parent.name for path in Path(ROOT / "pipelines").glob("*/__init__.py")}
    assert shown == rooms
