"""The workflow for n8n: what its code nodes make of items as n8n hands them on, in plain node.

The whole was run in n8n 2.8 itself: data table, retries and all.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from mmconnect.webhook import signing
from tests.recipes.running import RECIPES, SECRET, signed
from tests.support.service import ROOT

FLOW = json.loads((RECIPES / "n8n" / "flow.json").read_text(encoding="utf-8"))
NODES = {node["name"]: node for node in FLOW["nodes"]}
GOLDEN = ROOT / "tests" / "golden"

HOST = """
const [code, from, input] = JSON.parse(require('fs').readFileSync(0));
const found = new Function('$', '$input', code)(
  (name) => ({ first: () => ({ json: from[name] }) }),
  { first: () => input[0], all: () => input },
);
console.log(JSON.stringify(found));
"""


def run(node: str, given: dict[str, Any], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a code node returns for these items; `given`: what other nodes have put out."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: apt install nodejs")
    asked = [NODES[node]["parameters"]["jsCode"], given, [{"json": item} for item in items]]
    done = subprocess.run(
        ["node", "-e", HOST], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return [item["json"] for item in json.loads(done.stdout)]


@pytest.mark.apt
@pytest.mark.parametrize("name", sorted(p.stem for p in GOLDEN.glob("*-*.json")))
def test_what_is_signed_fits_and_nothing_else_does(name: str):
    raw = (GOLDEN / f"{name}.json").read_bytes()
    body = json.loads(raw)
    headers = {key.lower(): value for key, value in signed(raw).items()}
    right = {"signature": signing.plain_signature(SECRET, raw)}

    def compare(**other: str) -> dict[str, Any]:
        hook = {"headers": headers | other, "body": body}
        return run("Compare", {"Text from mmconnect": hook}, [right])[0]

    stored = compare()
    sender = body.get("from") or ""
    assert (stored["fits"], stored["id"], stored["sender"]) == (True, body["id"], sender)
    assert json.loads(stored["body"]) == body
    wrong = "0" * 64
    previous = {"x-mmconnect-signature-previous": headers["x-mmconnect-signature"]}
    assert compare(**{"x-mmconnect-signature": wrong, **previous})["fits"] is True
    assert compare(**{"x-mmconnect-signature": wrong}) == {"fits": False}
    assert compare(**{"x-mmconnect-signature": ""}) == {"fits": False}
    assert compare(**{"x-mmconnect-signature": right["signature"] + "0"}) == {"fits": False}
    (handed,) = run("Translate: your part", {}, [{"id": 7, "body": stored["body"]}])
    assert handed["row"] == 7
    assert handed["id"] == body["id"]
    assert handed["text"] == body.get("text", body.get("message"))


def test_it_is_wired_whole_and_has_no_secret_in_it():
    text = json.dumps(FLOW)
    assert "whsec_" not in text
    for start, outs in FLOW["connections"].items():
        assert start in NODES
        assert all(end["node"] in NODES for out in outs["main"] for end in out)
    ends = {end["node"] for outs in FLOW["connections"].values() for o in outs["main"] for end in o}
    assert set(NODES) - ends == {"Text from mmconnect", "Every minute"}
    assert NODES["Text from mmconnect"]["parameters"]["options"]["rawBody"] is True
    # Stored before it is answered: n8n does the upper branch first.
    first, second = FLOW["connections"]["Does it fit?"]["main"][0]
    assert (first["node"], second["node"]) == ("The table", "Answer 204")
    assert NODES["The table"]["position"][1] < NODES["Answer 204"]["position"][1]
