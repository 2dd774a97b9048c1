"""Options of the service: flag, variable, file, default; and errors that name their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmconnect import config
from mmconnect.config import OPTIONS, Listen, Option, settle
from mmconnect.domain.errors import ConfigError
from tests.cli.conftest import Desk

GOOD = {
    "log_format": ("json", "text"),
    "log_level": ("debug", "error"),
    "tls_cert": ("/etc/one.pem", "off"),
    "tls_key": ("off", "OFF"),
}
"""Two values of an option that are not its default; of the others, these."""
ADDRESSES = ("127.0.0.1:1", "127.0.0.1:2")


def values(option: Option) -> tuple[str, str]:
    return GOOD.get(option.name, ADDRESSES)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_flag_before_variable_before_file_before_default(option: Option) -> None:
    one, two = values(option)
    bad = "no such thing"

    def settled(flag: str | None, variable: str | None, file: str | None) -> object:
        environ = {} if variable is None else {option.variable: variable}
        given = {} if file is None else {option.name: file}
        return getattr(settle({option.name: flag}, environ, given), option.name)

    assert settled(one, bad, bad) == option.parse(one)
    assert settled(None, two, bad) == option.parse(two)
    assert settled(None, None, one) == option.parse(one)
    assert option.default is not None
    assert settled(None, None, None) == option.parse(option.default)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_a_bad_value_is_named_with_option_and_source(option: Option, source: str) -> None:
    flags = {option.name: "bad!" if source == "flag" else None}
    environ = {option.variable: "bad!"} if source == "variable" else {}
    file = {option.name: "bad!"} if source == "file" else {}
    told = {"flag": option.flag, "variable": option.variable, "file": "the TOML file"}[source]
    with pytest.raises(ConfigError) as error:
        settle(flags, environ, file)
    assert str(error.value).startswith(f"{option.flag} = 'bad!' (from {told}): ")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:8481", "0.0.0.0", 8481),
        (":8481", "0.0.0.0", 8481),
        ("[::]:8481", "::", 8481),
        ("[fd00::1]:0", "fd00::1", 0),
        ("reception.local:65535", "reception.local", 65535),
    ],
)
def test_addresses_and_how_they_are_written_again(text: str, host: str, port: int) -> None:
    listen = settle({"phone_listen": text}, {}, {}).phone_listen
    assert listen == Listen(host=host, port=port)
    assert settle({"phone_listen": str(listen)}, {}, {}).phone_listen == listen


@pytest.mark.parametrize("text", ["8481", "h:", "h:x", "h:65536", "h:-1", "h:８", "off", ""])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        settle({"phone_listen": text}, {}, {})


@pytest.mark.parametrize("name", ["cert.pem", "./cert.pem", "", "on"])
def test_a_certificate_is_named_by_its_whole_path(name: str) -> None:
    with pytest.raises(ConfigError, match="whole path"):
        settle({"tls_cert": name}, {}, {})


def test_a_key_wants_a_certificate() -> None:
    with pytest.raises(ConfigError, match="--tls-cert"):
        settle({"tls_key": "/etc/key.pem"}, {}, {})
    both = settle({"tls_key": "/etc/key.pem"}, {"MMCONNECT_TLS_CERT": "~/cert.pem"}, {})
    assert both.tls_key == Path("/etc/key.pem")
    assert both.tls_cert == Path("~/cert.pem").expanduser()


def test_https_can_be_switched_off_and_plain_http_cannot() -> None:
    assert settle({"phone_tls_listen": "Off"}, {}, {}).phone_tls_listen is None


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('phone_port = "1"', "unknown option 'phone_port'. Known are admin_listen"),
        ("[phone]\nlisten = '1'", "unknown option 'phone'"),
        ("log_level = 3", "log_level = 3 must be text in quotes"),
        ('log_level = "a"\nlog_level = "b"', "cannot be read"),
        ("= ", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_key(tmp_path: Path, toml: str, says: str) -> None:
    file = tmp_path / "mm.toml"
    file.write_text(toml)
    with pytest.raises(ConfigError) as error:
        config.read_file(file)
    assert str(error.value).startswith(str(file))
    assert says in str(error.value)


def test_a_missing_file_matters_only_when_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=f"{missing} cannot be read: No such file"):
        config.read_file(missing)
    monkeypatch.setattr(config, "INSTALLED_FILE", missing)
    assert config.read_file(None) == {}


def test_a_wrong_file_stops_every_command(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "mm.toml").write_text("nonsense = 'x'")
    for line in (["serve"], ["endpoint", "list"], ["device", "add", "--name", "x"]):
        told = desk(*line, "--config", str(tmp_path / "mm.toml"))
        assert told.code == 1
        assert "unknown option 'nonsense'" in told.err
    assert not desk.directory.exists()


def test_the_push_url_follows_the_options_while_the_service_is_stopped(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mm.toml").write_text('phone_listen = "127.0.0.1:4711"')
    line = ("device", "add", "--name", "x", "--json")
    monkeypatch.setenv("MMCONNECT_CONFIG", str(tmp_path / "mm.toml"))
    assert desk(*line).json["pushUrl"].startswith("http://127.0.0.1:4711/in/")
    monkeypatch.setenv("MMCONNECT_PHONE_LISTEN", "127.0.0.1:4712")
    assert desk(*line).json["pushUrl"].startswith("http://127.0.0.1:4712/in/")
    monkeypatch.setenv("MMCONNECT_PHONE_LISTEN", "0.0.0.0:4713")
    url = desk(*line).json["pushUrl"]
    assert ":4713/in/" in url
    assert "0.0.0.0" not in url


def test_there_are_at_most_twenty() -> None:
    assert len(OPTIONS) <= 20
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)
