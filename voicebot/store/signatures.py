"""Ed25519 signatures of people over documents, in one canonical form that is the same anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from voicebot.errors import InputError

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(document: Mapping[str, Any]) -> bytes:
    """The bytes that are signed or hashed: JSON with sorted keys, no spaces, UTF-8."""
    return _ENCODER.encode(document).encode()


def create_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """A new private key in a PEM file that only its owner may read; an existing one is kept and loaded.

    Without a passphrase whoever can read the file can sign.
    """
    if path.exists():
        return load_key(path, lambda: passphrase or b"")
    key = Ed25519PrivateKey.generate()
    sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    return key


def load_key(path: Path, passphrase: Callable[[], bytes] | None = None) -> Ed25519PrivateKey:
    """`passphrase` is asked only when the key has one.  InputError when the file is missing, holds no Ed25519
    key, or the passphrase is wrong."""
    try:
        pem = path.read_bytes()
        sealed = b"ENCRYPTED PRIVATE KEY" in pem
        if sealed and passphrase is None:
            raise InputError("the private key has a passphrase", "Give it.", path)
        key = load_pem_private_key(pem, passphrase() if sealed and passphrase else None)
    except FileNotFoundError:
        raise InputError("there is no private key here", "Make one: scripts-review keygen.", path) from None
    except (OSError, ValueError, TypeError):
        raise InputError(
            "the private key cannot be opened",
            "Is it an Ed25519 key in PEM form, and the passphrase right?",
            path,
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("this is no Ed25519 key", "Make one: scripts-review keygen.", path)
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key as registers keep it: base64 of 32 bytes."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def sign(key: Ed25519PrivateKey, document: Mapping[str, Any]) -> str:
    """The signature over the canonical form, base64."""
    return base64.b64encode(key.sign(canonical(document))).decode()


def is_signed_by(public_key: str, document: Mapping[str, Any], signature: str) -> bool:
    """Whether this key made the signature; anything malformed counts as no."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), canonical(document))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
