"""Does a firewall of this machine turn phones away? Only root may read its rules.

Understands what `nft -j list ruleset` says (libnftables-json(5)), in which the rules of ufw,
firewalld and iptables stand as well. Never sure, as a rule can ask about anything: what seems to be
closed is told as such, and a phone that was heard is the better witness.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmconnect import paths
from mmconnect.desk.doctor import Check, Findings

FIREWALL = Check("firewall", "Firewall of this machine")
UFW = Path("/etc/ufw/ufw.conf")
PATIENCE = 5.0

DENY = frozenset({"drop", "reject"})
ALLOWED: Mapping[str, Any] = {"accept": None}
_NO_QUESTION = {"counter", "log", "accept", "jump", "goto", "return"} | DENY
"""Expressions that a rule can have without asking for anything."""

Rules = Sequence[Mapping[str, Any]]
"""`nftables` of the JSON."""


def check(
    rules: Rules | None, ports: Mapping[int, str], *, ufw: bool, root: bool, reached: bool
) -> Findings:
    """Judge. `rules` is None where they cannot be read; `ports` by number, with whom each is for;
    `ufw`: whether it is on; `root`: whether root asks; `reached`: a phone was heard lately."""
    if rules is None:
        more = " ufw is on." if ufw else ""
        if root:
            yield FIREWALL.skipped(f"Its rules cannot be read without the program `nft`.{more}")
        else:
            yield FIREWALL.skipped(
                f"Its rules can be read by root alone.{more}",
                "`sudo mmconnect doctor` looks at them.",
            )
        return
    closed = [port for port in ports if turned_away(rules, port)]
    if not closed:
        yield FIREWALL.ok("It lets the ports in." if _is_one(rules) else "It turns nothing away.")
        return
    told = ", ".join(f"{port} ({ports[port]})" for port in closed)
    chain = next(one for one in _doors(rules) if _closes(rules, one, closed[0]))
    where = " ".join(str(chain.get(part)) for part in ("family", "table", "name"))
    if all(_is_named(rules, port) for port in closed):
        sentence = f"A rule of it turns away {told}."
    else:
        sentence = f"It turns away what nothing allows, and no rule is seen that allows {told}."
    first = closed[0]
    remedy = (
        f"`sudo ufw allow {first}/tcp`"
        if ufw
        else f"`sudo nft insert rule {where} tcp dport {first} accept` (and write it where your"
        " rules come from, /etc/nftables.conf say)"
    ) + ", and so on for each; better still only from your own network."
    if reached:
        yield FIREWALL.note(f"{sentence} But phones get through.", remedy)
    else:
        yield FIREWALL.problem(sentence, remedy)


def turned_away(rules: Rules, port: int) -> bool:
    """Whether a connection from the network to this TCP port seems to be refused."""
    return any(_closes(rules, chain, port) for chain in _doors(rules))


def _closes(rules: Rules, chain: Mapping[str, Any], port: int) -> bool:
    fate = _fate(rules, chain, port)
    return chain.get("policy") == "drop" if fate is None else fate is not ALLOWED


def _is_named(rules: Rules, port: int) -> bool:
    """Whether what turns it away is a rule that has the port in it."""
    fates = [_fate(rules, chain, port) for chain in _doors(rules) if _closes(rules, chain, port)]
    return any("dport" in json.dumps(fate) for fate in fates if fate is not None)


def _is_one(rules: Rules) -> bool:
    """Whether it turns anything away at all."""
    doors = {(one.get("family"), one.get("table")) for one in _doors(rules)}
    denying = (
        rule
        for rule in _all(rules, "rule")
        if _verdicts(rule) & DENY and (rule.get("family"), rule.get("table")) in doors
    )
    return any(one.get("policy") == "drop" for one in _doors(rules)) or any(denying)


def _doors(rules: Rules) -> list[Mapping[str, Any]]:
    """The chains through which comes what is for this machine."""
    return [
        chain
        for chain in _all(rules, "chain")
        if chain.get("hook") == "input" and chain.get("type") == "filter"
    ]


def _fate(
    rules: Rules, chain: Mapping[str, Any], port: int, seen: frozenset[str] = frozenset()
) -> Mapping[str, Any] | None:
    """What a chain makes of a phone's first packet to the port: ALLOWED as soon as it may be, the
    rule that surely turns it away, or None: what comes after it decides."""
    name = chain["name"]
    for rule in _rules_of(rules, chain, name):
        if _is_excluded(rule, port):
            continue
        for expression in _expressions(rule):
            for verb in ("jump", "goto"):
                target = _of(expression, verb).get("target")
                if target and target not in seen | {name}:
                    inner = {**chain, "name": target}
                    fate = _fate(rules, inner, port, seen | {name})
                    if fate is ALLOWED or (fate is not None and _surely(rule, port)):
                        return fate
        if _allows(rule):
            return ALLOWED
        if _verdicts(rule) & DENY and _surely(rule, port):
            return rule
        if seen and "return" in _verdicts(rule):
            return None
    return None


def _surely(rule: Mapping[str, Any], port: int) -> bool:
    """Whether a rule is for a phone's first packet to the port, whatever else is so."""
    return all(
        _is_so(_of(one, "match"), port) if "match" in one else not one.keys() - _NO_QUESTION
        for one in _expressions(rule)
    )


def _is_so(match: Mapping[str, Any], port: int) -> bool:
    left, right, other = match.get("left"), match.get("right"), match.get("op") == "!="
    payload, meta = _of(left, "payload"), _of(left, "meta").get("key")
    values = _flat(right if isinstance(right, list) else [right])
    if meta in ("iif", "iifname"):
        return other and right == "lo"
    if other:
        return False
    if payload.get("field") == "dport":
        named = isinstance(right, str)
        return payload.get("protocol") in ("tcp", "th") and not named and _covers(right, port)
    if meta == "l4proto" or payload.get("field") in ("protocol", "nexthdr"):
        return bool({"tcp", 6} & set(values))
    if meta == "nfproto":
        return "ipv4" in values
    return _of(left, "ct").get("key") == "state" and "new" in values


def _is_excluded(rule: Mapping[str, Any], port: int) -> bool:
    matches = [_of(one, "match") for one in _expressions(rule) if "match" in one]
    return any(_excludes(one, port) for one in matches)


def _allows(rule: Mapping[str, Any]) -> bool:
    """Whether it may accept what it does not exclude. In doubt it does."""
    if any("vmap" in one or "xt" in one for one in _expressions(rule)):
        return "accept" in json.dumps(rule)  # a table of verdicts; or iptables' own matches, which
    return "accept" in _verdicts(rule)  # JSON does not tell


def _excludes(match: Mapping[str, Any], port: int) -> bool:
    """Whether what it asks for is not so of a phone's first packet to the port."""
    left, right = match.get("left"), match.get("right")
    if match.get("op") == "!=":
        return False
    payload, meta = _of(left, "payload"), _of(left, "meta").get("key")
    values = right if isinstance(right, list) else [right]
    if payload.get("field") in ("dport", "sport"):
        other = payload.get("protocol") not in ("tcp", "th")
        return other or (payload["field"] == "dport" and not _covers(right, port))
    if meta in ("iif", "iifname"):
        return right == "lo"
    if meta == "l4proto" or payload.get("field") in ("protocol", "nexthdr"):
        return not {"tcp", 6} & set(_flat(values))
    if payload.get("protocol") in ("icmp", "icmpv6") or meta == "pkttype":
        return True
    if _of(left, "ct").get("key") == "state":
        return "new" not in _flat(values)
    return False


def _flat(values: Sequence[Any]) -> list[Any]:
    """The members of sets among them, too."""
    inner = [one["set"] if isinstance(one, dict) and "set" in one else [one] for one in values]
    return [one for several in inner for one in several if isinstance(one, str | int)]


def _covers(right: Any, port: int) -> bool:
    match right:
        case int():
            return right == port
        case {"set": list(several)}:
            return any(_covers(one, port) for one in several)
        case {"range": [int(low), int(high)]}:
            return low <= port <= high
        case _:
            return isinstance(right, str) and right.startswith("@")  # a named set: in doubt


def _verdicts(rule: Mapping[str, Any]) -> set[str]:
    known = {"accept", "return"} | DENY
    return {name for one in _expressions(rule) for name in known & one.keys()}


def _expressions(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = rule.get("expr", [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _rules_of(rules: Rules, chain: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    there = (chain.get("family"), chain.get("table"), name)
    return (
        rule
        for rule in _all(rules, "rule")
        if (rule.get("family"), rule.get("table"), rule.get("chain")) == there
    )


def _all(rules: Rules, kind: str) -> Iterator[Mapping[str, Any]]:
    return (one[kind] for one in rules if isinstance(one.get(kind), dict))


def _of(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def read() -> Rules | None:
    """This machine's rules; None where they may not or cannot be read. None of them is []."""
    if os.geteuid() != 0:
        return None
    program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 (its own words alone)
            [program, "-j", "list", "ruleset"],
            capture_output=True,
            timeout=PATIENCE,
            check=True,
            env=paths.outside(),
        )
        found = json.loads(done.stdout or b"{}").get("nftables", [])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return found if isinstance(found, list) else None


def ufw_is_on(path: Path = UFW) -> bool:
    """Whether ufw is switched on, which everybody may know."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip().lower() == "enabled=yes" for line in lines)
