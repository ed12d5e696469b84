"""Whom we trust and who we are on an encrypted connection."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import TypeAlias

import httpx

from ..errors import ConfigurationError

Certificate: TypeAlias = "str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]]"
"""A PEM file with our certificate and its key, or one file for each."""


def tls_context(ca_file: str | os.PathLike[str] | None, certificate: Certificate | None) -> ssl.SSLContext:
    """A context that trusts the authorities of `ca_file`, else those of SSL_CERT_FILE or SSL_CERT_DIR, else the usual ones.

    Files are read once in a process: reading the usual authorities takes 10 ms, too long for each call. Raises
    `ConfigurationError` for a file that can't be used.
    """
    names = certificate if isinstance(certificate, tuple) else (certificate,) if certificate is not None else ()
    return _context(
        None if ca_file is None else os.fspath(ca_file),
        tuple(os.fspath(name) for name in names),
        os.environ.get("SSL_CERT_FILE"),
        os.environ.get("SSL_CERT_DIR"),
    )


@lru_cache(maxsize=16)
def _context(
    ca_file: str | None, certificate: tuple[str, ...], env_file: str | None, env_dir: str | None
) -> ssl.SSLContext:
    """One context for equal settings; the last two only tell one environment from another."""
    try:
        context = httpx.create_ssl_context() if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one
        where = f"ca_file={ca_file!r}" if ca_file is not None else f"SSL_CERT_FILE={env_file!r}"
        raise ConfigurationError(f"{where}: {error}. It names a PEM file with the certificates to trust.") from error
    if certificate:
        try:
            context.load_cert_chain(*certificate)
        except OSError as error:
            raise ConfigurationError(
                f"certificate={' and '.join(certificate)}: {error}. It names a PEM file with our certificate and its"
                " key, or a pair of files (certificate, key)."
            ) from error
    return context
