"""The house rules, held by reading the code: who may import whom, and what only one room may do.

Each rule is a function from a module to the sentences that are wrong with it. The second half of
the file breaks every rule once, so that a rule which no longer sees anything is noticed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mmconnect"

# Imports go down only: a room may use those on the lines above its own, not its line's neighbour.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"domain"}),
    frozenset({"webhook", "paths"}),
    frozenset({"store", "config", "revision"}),
    frozenset({"web"}),
    frozenset({"phones", "delivery"}),
    frozenset({"desk"}),
    frozenset({"admin", "api"}),
    frozenset({"service"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
# These meet in the store and in daemon.py, never in an import.
STRANGERS = {"phones", "delivery", "admin", "api"}
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

MAX_LINES = 300
SQL = re.compile(
    r"\s*(SELECT\s|INSERT\s+(OR|INTO)\s|REPLACE\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s"
    r"|(CREATE|DROP|ALTER)\s+(UNIQUE|TEMP|VIRTUAL|TABLE|INDEX|TRIGGER|VIEW)"
    r"|WITH\s+(RECURSIVE\s+)?\w+\s*(\(.*\)\s*)?AS\s|(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|VACUUM)(\s|;|$))"
)
CLOCKS = {
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}
CONNECTING = {"create_connection", "open_connection", "sock_connect", "start_connection"}
OTHER_CLIENTS = {"urllib.request", "http.client", "requests", "httpx"}


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package; `name` is its path below it, `store/outbox.py`."""

    name: str
    source: str

    @property
    def room(self) -> str:
        return self.name.partition("/")[0].removesuffix(".py")

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)


def imports(module: Module) -> Iterator[str]:
    """Dotted names of everything imported, relative ones resolved: `mmconnect.store.outbox`."""
    package = ["mmconnect", *module.name.split("/")[:-1]]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def names(module: Module) -> Iterator[str]:
    """`print`, `time.time`, `datetime.now`: every name used, with the one before its dot."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            before = node.value
            owner = before.attr if isinstance(before, ast.Attribute) else getattr(before, "id", "")
            yield f"{owner}.{node.attr}"


def imports_go_down_only(module: Module) -> Iterator[str]:
    if module.room == "__init__":
        return
    if module.room not in FLOOR_OF:
        yield f"{module.room!r} has no floor: add it to FLOORS here"
        return
    for name in imports(module):
        top, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        if top != "mmconnect" or room in (module.room, "__version__"):
            continue
        if room not in FLOOR_OF:
            yield f"imports {name}, which has no floor: add it to FLOORS here"
        elif FLOOR_OF[room] >= FLOOR_OF[module.room]:
            yield f"imports {name} from the same floor or above"
        elif {room, module.room} <= STRANGERS:
            yield f"imports {name}: they meet in the store, never in an import"


def only_the_store_speaks_sql(module: Module) -> Iterator[str]:
    if module.room == "store":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield f"line {node.lineno} holds SQL: {node.value.strip()[:40]!r}"


def only_the_dialer_opens_connections(module: Module) -> Iterator[str]:
    """The address rule sits in delivery/dial.py, so nothing else there may connect at all."""
    if module.room == "cli" or module.name.startswith("phones/client"):
        return
    if module.name != "delivery/dial.py":
        for name in (*names(module), *imports(module)):
            if name.rpartition(".")[2] in CONNECTING:
                yield f"uses {name}: only delivery/dial.py and the phones' clients connect out"
    for name in (*names(module), *imports(module)):
        if name.rpartition(".")[2] in ("ClientSession", "TCPConnector"):
            yield f"uses {name}: only the phones' clients do"
    for name in imports(module):
        if any(f"{name}.".startswith(f"{client}.") for client in OTHER_CLIENTS):
            yield f"imports {name}: only delivery/dial.py and the phones' clients connect out"


def only_the_clock_tells_the_time(module: Module) -> Iterator[str]:
    if module.name == "domain/clock.py":
        return
    for name in (*names(module), *imports(module)):
        if name in CLOCKS:
            yield f"asks {name}: take a Clock instead"


def only_the_cli_prints(module: Module) -> Iterator[str]:
    if module.room != "cli" and "print" in names(module):
        yield "calls print: log it, or return it to the CLI"


def only_paths_knows_that_it_is_frozen(module: Module) -> Iterator[str]:
    if module.name != "paths.py" and any(name.endswith("_MEIPASS") for name in names(module)):
        yield "asks for _MEIPASS: paths.py knows where things lie"


def it_says_what_it_is_for(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield "has no docstring"


def it_fits_in_a_head(module: Module) -> Iterator[str]:
    lines = module.source.count("\n")
    if lines > MAX_LINES:
        yield f"has {lines} lines, more than {MAX_LINES}: what second thing lives there?"


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    imports_go_down_only,
    only_the_store_speaks_sql,
    only_the_dialer_opens_connections,
    only_the_clock_tells_the_time,
    only_the_cli_prints,
    only_paths_knows_that_it_is_frozen,
    it_says_what_it_is_for,
    it_fits_in_a_head,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_house_rule(rule: Callable[[Module], Iterator[str]]) -> None:
    modules = [
        Module(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]
    assert len(modules) > 10, f"the package is not at {PACKAGE}"
    wrong = [f"{m.name}: {sentence}" for m in modules for sentence in rule(m)]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (imports_go_down_only, "store/x.py", "from mmconnect.delivery.sender import send"),
        (imports_go_down_only, "store/x.py", "from mmconnect import service"),
        (imports_go_down_only, "store/x.py", "from ..web import errors"),
        (imports_go_down_only, "store/x.py", "def f():\n    import mmconnect.cli"),
        (imports_go_down_only, "phones/x.py", "from mmconnect.delivery import dispatcher"),
        (imports_go_down_only, "admin/pages/x.py", "from mmconnect.delivery import dispatcher"),
        (imports_go_down_only, "admin/x.py", "from ..api import site"),
        (imports_go_down_only, "helpers.py", ""),
        (imports_go_down_only, "domain/x.py", "from mmconnect.helpers import f"),
        (only_the_store_speaks_sql, "api/x.py", "Q = 'SELECT 1'"),
        (only_the_store_speaks_sql, "api/x.py", "Q = f'''\n  INSERT INTO {table} VALUES (1)'''"),
        (only_the_store_speaks_sql, "api/x.py", "db.execute('BEGIN IMMEDIATE')"),
        (only_the_dialer_opens_connections, "admin/x.py", "s = aiohttp.ClientSession()"),
        (only_the_dialer_opens_connections, "delivery/dial.py", "s = aiohttp.ClientSession()"),
        (only_the_dialer_opens_connections, "admin/x.py", "from urllib.request import urlopen"),
        (only_the_dialer_opens_connections, "delivery/x.py", "await loop.create_connection(P)"),
        (only_the_dialer_opens_connections, "delivery/x.py", "await loop.sock_connect(s, a)"),
        (only_the_dialer_opens_connections, "api/x.py", "await asyncio.open_connection(h, p)"),
        (only_the_dialer_opens_connections, "api/x.py", "from asyncio import open_connection as o"),
        (only_the_dialer_opens_connections, "api/x.py", "socket.create_connection((h, p))"),
        (only_the_clock_tells_the_time, "store/x.py", "now = time.time()"),
        (only_the_clock_tells_the_time, "store/x.py", "from time import time_ns"),
        (only_the_clock_tells_the_time, "store/x.py", "now = datetime.datetime.now(UTC)"),
        (only_the_cli_prints, "service/x.py", "print('hello')"),
        (only_paths_knows_that_it_is_frozen, "admin/x.py", "root = sys._MEIPASS"),
        (it_says_what_it_is_for, "store/x.py", "x = 1"),
        (it_fits_in_a_head, "store/x.py", "x = 1\n" * (MAX_LINES + 1)),
    ],
)
def test_breaking_it_is_noticed(
    rule: Callable[[Module], Iterator[str]], name: str, source: str
) -> None:
    assert list(rule(Module(name, source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("store/x.py", '"""Doc."""\nfrom mmconnect import __version__\nQ = "SELECT 1"'),
        ("admin/x.py", '"""Doc."""\nfrom ..web import errors\nfrom mmconnect.store import outbox'),
        ("api/x.py", '"""Doc."""\nMETHODS = ("DELETE", "Select a phone", "UPDATE the app first")'),
        ("delivery/dial.py", '"""Doc."""\nasync def f(loop):\n    await loop.create_connection(f)'),
        ("phones/client.py", '"""Doc."""\nfrom aiohttp import ClientSession\nClientSession()'),
        ("domain/clock.py", '"""Doc."""\nimport time\nnow = time.time_ns()'),
        ("cli/x.py", '"""Doc."""\nfrom mmconnect.service import daemon\nprint(daemon)'),
    ],
)
def test_what_is_allowed_is_not_noticed(name: str, source: str) -> None:
    assert [s for rule in RULES for s in rule(Module(name, source))] == []
