"""The files of the recipes: complete, in step with one another, and with what is said of them."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmconnect.cli import parser
from mmconnect.desk import recipes
from mmconnect.domain.errors import NotFound
from scripts.recipes import FOLDER, pages, receivers
from tests.recipes.others import OTHERS
from tests.support.service import ROOT

ALL = recipes.names()
RECEIVERS = sorted(OTHERS)


def test_all_are_there_that_the_help_promises():
    wanted = {*OTHERS, "node-red", "n8n"}
    assert set(ALL) == wanted == {p.name for p in FOLDER.iterdir() if p.is_dir()}


@pytest.mark.parametrize("path", receivers(), ids=lambda path: path.parent.name)
def test_the_common_part_is_the_same_everywhere(path: Path):
    assert path.read_text(encoding="utf-8") == receivers()[path], "run `make docs`"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.parent.name)
def test_the_pages_are_made_of_what_is_told(path: Path):
    assert path.read_text(encoding="utf-8") == pages()[path], "run `make docs`"


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_takes_just_the_settings_that_are_told(name: str):
    code = recipes.file(name, "receive.py")
    asked = set(re.findall(r'setting\(\s*"([A-Z_]+)"', code)) - {"STATE_DIRECTORY", "LISTEN"}
    told = {setting.name: setting for setting in recipes.recipe(name).settings}
    assert asked - {"START_WORDS"} == set(told)
    secret = {key.lower() for key, setting in told.items() if setting.secret}
    unit = recipes.file(name, f"mmconnect-{name}.service")
    credentials = re.findall(rf"^#?LoadCredential=(\w+):/etc/mmconnect-{name}/\1$", unit, re.M)
    assert [f"{key}" for key in credentials if key in secret] == credentials
    needed = {
        key.lower() for key, setting in told.items() if setting.secret and not setting.optional
    }
    loaded = set(re.findall(r"^LoadCredential=(\w+):", unit, re.M))
    assert loaded == needed, "a credential that is not there keeps the unit from starting"
    open_ones = set(re.findall(r"^#?Environment=([A-Z_]+)=", unit, re.M)) - {"LISTEN"}
    assert open_ones <= set(told)
    assert not {key.upper() for key in secret} & open_ones, "secrets are no settings of a unit"
    for key, setting in told.items():
        if not setting.optional and not setting.secret:
            assert key in open_ones


@pytest.mark.parametrize("name", RECEIVERS)
def test_each_has_a_port_and_a_place_of_its_own(name: str):
    ports = {}
    for one in RECEIVERS:
        unit = configparser.RawConfigParser(strict=False)
        unit.read_string(recipes.file(one, f"mmconnect-{one}.service"))
        assert unit["Service"]["ExecStart"] == f"/usr/bin/python3 /opt/mmconnect-{one}/receive.py"
        ports[one] = re.findall(
            r"LISTEN=127\.0\.0\.1:(\d+)", recipes.file(one, f"mmconnect-{one}.service")
        )
    assert len({port for found in ports.values() for port in found}) == len(RECEIVERS)
    (port,) = ports[name]
    assert f"http://127.0.0.1:{port}/" in "".join(step.code for step in recipes.recipe(name).steps)


@pytest.mark.apt
@pytest.mark.parametrize("name", RECEIVERS)
def test_systemd_finds_nothing_wrong_with_the_unit(name: str, tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / f"mmconnect-{name}.service"
    shutil.copy(FOLDER / name / unit.name, unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert unit.name not in done.stderr, done.stderr


@pytest.mark.parametrize("name", ALL)
def test_each_command_is_one_that_mmconnect_knows(name: str):
    for step in recipes.recipe(name).steps:
        for line in step.code.splitlines():
            if line.startswith("mmconnect "):
                words = re.findall(r'"[^"]*"|\S+', line)[1:]
                assert parser().parse_args([word.strip('"') for word in words]).run


def test_a_recipe_or_file_that_is_not_there_is_not_found():
    for name in ("nothing", "../docs", "..", "", "zammad/", "zammad/../ntfy"):
        with pytest.raises(NotFound):
            recipes.recipe(name)
    for file in ("recipe.toml", "README.md", "../ntfy/receive.py", ""):
        with pytest.raises(NotFound):
            recipes.file("zammad", file)


def test_the_example_automations_are_yaml_that_names_what_the_receiver_fires():
    text = recipes.file("home-assistant", "automation.yaml")
    code = recipes.file("home-assistant", "receive.py")
    for event in set(re.findall(r"event_type: (\w+)", text)):
        assert f'"{event}"' in code
    assert not re.search(r"^\t", text, re.M)
    golden = json.loads((ROOT / "tests/golden/webhook-sms.json").read_bytes())
    fields = set(re.findall(r"event\.data\.(\w+)", text)) | set(
        re.findall(r"data\['(\w+)'\]", text)
    )
    assert fields <= {*golden, "again", "message"}
