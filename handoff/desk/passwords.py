"""Passwords of the desk: Argon2id, at least twelve characters, never one that was handed out."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST = 12
MOST = 200
"""Longer ones would only cost time to hash."""
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without letters that look alike: a first password is read from paper."""


class Passwords:
    """Hashes and checks.  A check takes the same time whether or not there is such a person."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """Argon2id with its parameters and salt, as text."""
        return self._hasher.hash(password)

    def right(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password; False for somebody who has none."""
        try:
            self._hasher.verify(hashed or self._nobody, password[:MOST])
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None


def first_password() -> str:
    """A random one, to be changed at the first login."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(3))


def too_weak(password: str, member_id: str) -> bool:
    """Too short, too long, one character over and over, or the person's own name."""
    return (
        not LEAST <= len(password) <= MOST or len(set(password)) < 5 or member_id.lower() in password.lower()
    )
