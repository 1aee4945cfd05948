"""`ph.secrets`: what counts as a secret, how it is masked, and how it is read from the environment."""

import copy
import io
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import phantom_core as ph
from phantom_core.secrets import FromEnvironment, Secrets, masked, masked_names, read_environment, revealed

LOG = logging.getLogger("phantom_core")


@pytest.fixture
def word(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("WORD", "sesame")
    return "sesame"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """What the log of phantom_core prints, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    LOG.addHandler(handler)
    yield stream
    LOG.removeHandler(handler)


def pickled_and_back(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301  what was pickled here


# ---------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "secret",
        "token",
        "api_key",
        "api-key",
        "apiKey",
        "API_KEY",
        "APIKEY",
        "db_password",
        "DbPassword",
        "client secret",
        "service.token",
        "hf_token",
        "passwords",
        "secrets",
        "tokens",
        "apiKeys",
    ],
)
def test_texts_under_keys_of_secrets_are_masked(key: str) -> None:
    assert masked({key: "sesame"}) == {key: "***masked***"}
    assert masked("sesame", key) == "***masked***"


@pytest.mark.parametrize(
    "key", ["token_count", "num_tokens_seen", "tokenizer", "password_length", "secretary", "key", "user", ""]
)
def test_texts_under_other_keys_are_not(key: str) -> None:
    assert masked({key: "sesame"}) == {key: "sesame"}


@pytest.mark.parametrize(
    "value", [5, 0.5, True, None, [1, 2], "", "none", "env:WORD", "***masked***", b"sesame"]
)
def test_what_is_no_secret_text_stays_under_any_key(value: Any) -> None:
    settings = {"token": value}
    assert masked(settings) is settings


def test_texts_in_lists_and_tables_under_a_key_of_a_secret_are_masked() -> None:
    settings = {"secret": {"user": "bob", "ids": ["a", 1, ("b", 2.0)]}, "rest": [{"token": "c"}, {"size": 3}]}
    assert masked(settings) == {
        "secret": {"user": "***masked***", "ids": ["***masked***", 1, ("***masked***", 2.0)]},
        "rest": [{"token": "***masked***"}, {"size": 3}],
    }


def test_settings_without_secrets_are_returned_as_they_are() -> None:
    settings = {"sizes": [1, 2], "deep": {"name": "bob", "at": "http://host:80/a@b"}}
    assert masked(settings) is settings
    assert read_environment(settings, "env_config") is settings
    assert revealed(settings) is settings


def test_settings_that_contain_themselves_are_masked_as_a_whole() -> None:
    settings: dict[str, Any] = {"token": "sesame"}
    settings["own"] = settings
    assert masked(settings) == "***masked***"
    assert read_environment(settings, "env_config") is settings
    assert Secrets.of(settings).hide("a") == "a"


# ---------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://bob:pw@host", "http://bob:***@host"),
        ("sqlite+x://bob:pw@host:80/db?a=b", "sqlite+x://bob:***@host:80/db?a=b"),
        ("redis://:pw@host", "redis://:***@host"),
        ("http://bob:p@ss:word@host/x@y", "http://bob:***@host/x@y"),
        ("mysql://bob:a/b?c#d@host/db", "mysql://bob:***@host/db"),
        ("http://bob@mail.com:pw@host", "http://bob@mail.com:***@host"),
        ("see http://a:b@c, then http://d:e@f", "see http://a:***@c, then http://d:***@f"),
        ("http://bob:***@host", "http://bob:***@host"),
    ],
)
def test_passwords_in_urls_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked({"at": [text, {"or": text}]}) == {"at": [shown, {"or": shown}]}
    assert Secrets().hide(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/path@version",
        "http://bob@host",
        "http://bob:@host",
        "http://[::1]:80/a@b",
        "http://bob@host:80/a@b",
        "bob:pw@host",
        "mail bob@host: now",
    ],
)
def test_urls_without_passwords_stay(text: str) -> None:
    assert masked(text) == text


# ---------------------------------------------------------------------- environment


def test_settings_are_read_from_the_environment_and_written_as_they_were_given(word: str) -> None:
    given = {"user": "env:WORD", "hosts": ["a", "env:WORD"], "deep": {"pair": ("env:WORD", 1)}, "size": 3}
    found = read_environment(given, "env_config")
    assert found == {"user": word, "hosts": ["a", word], "deep": {"pair": (word, 1)}, "size": 3}
    assert masked(found) == given
    assert "sesame" not in repr(found)
    plain = revealed(found)
    assert plain == found
    assert "FromEnvironment" not in {type(text).__name__ for text in (plain["user"], *plain["hosts"])}


@pytest.mark.parametrize(
    "text", ["env:", "env:1X", "env:a b", " env:WORD", "env:WORD ", "env:a.b:C", "ENV:WORD"]
)
def test_other_texts_are_not_read(text: str) -> None:
    settings = {"name": text}
    assert read_environment(settings, "env_config") is settings


@pytest.mark.parametrize(
    ("settings", "place"),
    [({"api_key": "env:GONE"}, "env_config.api_key"), ({"a": {"b": [1, "env:GONE"]}}, "env_config.a.b[1]")],
)
def test_a_missing_variable_is_named_with_its_setting(settings: Any, place: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        read_environment(settings, "env_config")
    assert str(caught.value) == (
        f"{place} = 'env:GONE', but there is no environment variable 'GONE'. Set it: export GONE=…"
    )


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled_and_back])
def test_a_copy_of_a_text_knows_where_it_came_from(copied: Any) -> None:
    text = copied(FromEnvironment("sesame", "env:WORD"))
    assert (text, text.source, repr(text)) == ("sesame", "env:WORD", "'env:WORD'")


# ---------------------------------------------------------------------- masks


def test_masked_settings_are_named_and_lists_as_wholes() -> None:
    settings = {
        "api_key": "sesame",
        "at": "http://a:b@c",
        "tokens": ["a", "b"],
        "deep": {"secret": "d", "n": 1},
    }
    assert masked_names(settings, "env_config") == []
    assert masked_names(masked(settings), "env_config") == [
        "env_config.api_key",
        "env_config.at",
        "env_config.tokens",
        "env_config.deep.secret",
    ]
    assert masked_names(masked({"list": [{"token": "a"}, {"token": "b"}]})) == ["list"]


# ---------------------------------------------------------------------- texts


def test_known_secrets_are_hidden_in_texts(word: str) -> None:
    settings = {"api_key": "key-1", "longer_token": "key-123", "at": "http://bob:password-9@host"}
    secrets = Secrets.of(settings, read_environment(["env:WORD"], "list"), {"secret": "two\nlines"})
    text = f"key-1, key-123, password-9, {word}, " + repr("two\nlines") + ", http://x:y@z"
    assert secrets.hide(text) == ("***masked***, ***masked***, ***, env:WORD, '***masked***', http://x:***@z")


def test_what_was_read_from_the_environment_is_found_again_by_its_value(word: str) -> None:
    secrets = Secrets.of(read_environment({"user": "env:WORD"}, "env_config"), {"token": "other"})
    assert masked(secrets.traced({"name": word, "rest": ["other", 1]})) == {
        "name": "env:WORD",
        "rest": ["other", 1],
    }


def test_a_secret_of_three_characters_is_not_looked_for_in_texts() -> None:
    assert Secrets.of({"token": "abc", "secret": "abcd"}).hide("abc abcd") == "abc ***masked***"


def test_secrets_do_not_show_themselves() -> None:
    assert repr(Secrets.of({"token": "sesame"})) == "Secrets()"


def test_an_exception_and_what_led_to_it_lose_their_secrets() -> None:
    cause = KeyError("sesame", 7)
    inner = ValueError(OSError("no sesame"))
    group = ExceptionGroup("several", [inner])
    group.__cause__, cause.__context__ = cause, group  # in a circle
    Secrets.of({"token": "sesame"}).hide_in(group)
    assert cause.args == ("***masked***", 7)
    assert str(inner) == "no ***masked***"


def test_an_exception_that_leaves_the_block_has_no_secrets() -> None:
    secrets = Secrets.of({"token": "sesame"})
    with pytest.raises(ValueError, match=r"^no \*\*\*masked\*\*\*$"), secrets.hidden():
        raise ValueError("no sesame")


def test_the_log_has_no_secrets_in_the_block(output: io.StringIO) -> None:
    with Secrets.of({"token": "sesame"}).hidden():
        LOG.warning("Open %s, %d times.", "sesame", 2)
        LOG.warning("Open %s.", "nothing")
        LOG.error("It failed.", exc_info=ValueError("no sesame"))
    LOG.warning("Open %s.", "sesame")
    lines = output.getvalue().splitlines()
    assert lines[:3] == ["Open ***masked***, 2 times.", "Open nothing.", "It failed."]
    assert lines[-2:] == ["ValueError: no ***masked***", "Open sesame."]
