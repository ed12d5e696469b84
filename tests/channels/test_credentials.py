"""Secrets in texts: what is found, and what stays readable."""

import pytest

from antiphon.channels import masked

SECRET = "s3cr3tV4lu3"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"Authorization: {SECRET}",
        f"authorization: Token {SECRET}",
        f"Proxy-Authorization: Basic {SECRET}",
        f"{{'Authorization': '{SECRET}'}}",
        f"[(b'authorization', b'{SECRET}')]",
        f"[(b'xi-api-key', b'{SECRET}')]",
        f"xi-api-key: {SECRET}",
        f"Ocp-Apim-Subscription-Key: {SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        f"client_secret={SECRET}",
        f"wss://host/listen?model=a&key={SECRET}",
        f"wss://host/listen?key={SECRET}&model=a",
        f"wss://host/listen?api_key={SECRET}",
        f"wss://host/listen?xi-api-key={SECRET}",
        f"wss://host/listen?token={SECRET}",
        f"wss://host/listen?access_token={SECRET}",
        f"wss://host/listen?auth={SECRET}",
        f"https://user:{SECRET}@host/",
        f"https://{SECRET}@host/",
        f"Incorrect API key provided: sk-{SECRET}",
        f"Incorrect API key provided: sk-proj-{SECRET}",
        f"AIza{SECRET}{SECRET}{SECRET}",
        f"eyJhbGciOi.eyJ{SECRET}.{SECRET}",
    ],
)
def test_a_secret_is_masked(text: str) -> None:
    assert SECRET not in masked(text)
    assert "***" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "api.example.com:443 answered 401 Unauthorized",
        "wss://api.example.com/v1/listen?model=nova&language=en",
        "the key of the map wasn't found",
        "write to somebody@example.com",
        "monkey=banana",
        "http://127.0.0.1:8080/path:with@sign",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert masked(text) == text


def test_who_a_secret_belongs_to_stays_readable() -> None:
    assert (
        masked(f"wss://user:{SECRET}@host/listen?key={SECRET}&model=a") == "wss://user:***@host/listen?key=***&model=a"
    )
