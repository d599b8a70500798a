"""Keys of the site: column encryption (AES-256-GCM), the blind index of numbers, the hash of identity tails.

Every ciphertext names the version of its key, so that a new key may be made active while old rows stay
readable.  The associated data binds a value to its table, column and row: a value copied elsewhere fails.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from voicebot.errors import InputError

KEY_BYTES = 32
NONCE_BYTES = 12
INDEX_BYTES = 16
ENVIRONMENT = "VOICEBOT_KEY_RING"
"""When set, it holds the key ring's JSON itself, and no file is read."""


class Unreadable(RuntimeError):
    """A ciphertext is damaged, belongs to another row, or its key is not on the ring."""


class KeyRing:
    """Master keys by version, and one index key that never changes (look-ups depend on it)."""

    def __init__(self, active: int, keys: dict[int, bytes], index: bytes, file: Path | None = None) -> None:
        """`file`: where keys are looked for that other processes have added since."""
        if active not in keys or not 0 < active < 256:
            raise ValueError("the active key is not on the ring")
        self._active, self._file = active, file
        self._ciphers = {version: AESGCM(_derive(key, b"column")) for version, key in keys.items()}
        self._wrapping = {version: AESGCM(_derive(key, b"recording")) for version, key in keys.items()}
        self._keys, self._index_master = keys, index
        self._index = _derive(index, b"blind-index")
        self._tail = _derive(index, b"identity-tail")

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """A new ring in a new file that only its owner may read.  FileExistsError when there is one."""
        ring = cls(1, {1: os.urandom(KEY_BYTES)}, os.urandom(KEY_BYTES), path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(ring._as_json())
        return ring

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """The ring of the environment or of a file.  InputError when it is missing or damaged."""
        text, where, file = os.environ.get(ENVIRONMENT), f"environment {ENVIRONMENT}", None
        if text is None:
            where, file = str(path), path
            try:
                text = path.read_text()
            except OSError:
                do = "Run the set-up, or put the site's key file there."
                raise InputError("the key file cannot be read", do, path) from None
        try:
            data = json.loads(text)
            keys = {int(version): base64.b64decode(key) for version, key in data["keys"].items()}
            index = base64.b64decode(data["index"])
            if any(len(key) != KEY_BYTES for key in (*keys.values(), index)):
                raise ValueError("a key has the wrong length")
            return cls(int(data["active"]), keys, index, file)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError("the key file is damaged", "Restore it from the back-up.", where) from None

    @property
    def active(self) -> int:
        """The version that seals and signs now."""
        return self._active

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions on the ring, the oldest first."""
        return tuple(sorted(self._keys))

    def rotated(self) -> KeyRing:
        """This ring with a new active key; what older keys sealed stays readable."""
        version = max(self._keys) + 1
        new = {**self._keys, version: os.urandom(KEY_BYTES)}
        return KeyRing(version, new, self._index_master, self._file)

    def save(self, path: Path) -> None:
        """Replaces the ring's file at once, with the owner's mode."""
        part = path.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(self._as_json())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def wrap(self, key: bytes, bound_to: str) -> bytes:
        """A data key under the active key: version byte + nonce + ciphertext (61 bytes for 32)."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._wrapping[self._active].encrypt(nonce, key, bound_to.encode())
        return bytes([self._active]) + nonce + sealed

    def unwrap(self, data: bytes, bound_to: str) -> bytes:
        """The data key.  Unreadable when anything is wrong with it."""
        cipher = self._cipher(self._wrapping, data)
        if cipher is None:
            raise Unreadable("the data key was wrapped with a key that is not on the ring")
        try:
            nonce, sealed = data[1 : 1 + NONCE_BYTES], data[1 + NONCE_BYTES :]
            return cipher.decrypt(nonce, sealed, bound_to.encode())
        except (InvalidTag, ValueError):
            raise Unreadable("the data key is damaged or belongs to another file") from None

    def signing_key(self, version: int | None = None) -> Ed25519PrivateKey:
        """The site's own signature, of a version: for checkpoints and evidence packages."""
        master = self._keys[self._active if version is None else version]
        return Ed25519PrivateKey.from_private_bytes(_derive(master, b"site-signature"))

    def _cipher(self, of: dict[int, AESGCM], data: bytes) -> AESGCM | None:
        """The cipher that sealed `data`.  None: its key is neither on the ring nor in the ring's file."""
        if data and data[0] not in of and self._file is not None:
            self._learn(self._file)
        return of.get(data[0]) if data else None

    def _learn(self, file: Path) -> None:
        """Takes over keys that a rotation added; what this process seals stays under its own."""
        try:
            now = KeyRing.load(file)
        except InputError:
            return
        for version in now._keys.keys() - self._keys.keys():
            self._ciphers[version], self._wrapping[version] = now._ciphers[version], now._wrapping[version]
        self._keys = now._keys | self._keys

    def _as_json(self) -> str:
        keys = {str(version): base64.b64encode(key).decode() for version, key in self._keys.items()}
        ring = {"active": self._active, "keys": keys, "index": base64.b64encode(self._index_master).decode()}
        return json.dumps(ring, indent=1)

    def __reduce__(self) -> tuple[type[KeyRing], tuple[int, dict[int, bytes], bytes, Path | None]]:
        """Through a pipe to a process of ours that seals rows; never to a file."""
        return KeyRing, (self._active, self._keys, self._index_master, self._file)

    def encrypt(self, text: str, bound_to: str) -> bytes:
        """Version byte + nonce + ciphertext.  `bound_to` is "table.column:row"."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._active].encrypt(nonce, text.encode(), bound_to.encode())
        return bytes([self._active]) + nonce + sealed

    def decrypt(self, data: bytes, bound_to: str) -> str:
        """The text.  Unreadable when anything is wrong with it."""
        cipher = self._cipher(self._ciphers, data)
        if cipher is None:
            raise Unreadable("the value was sealed with a key that is not on the ring")
        try:
            nonce, sealed = data[1 : 1 + NONCE_BYTES], data[1 + NONCE_BYTES :]
            return cipher.decrypt(nonce, sealed, bound_to.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unreadable(f"the value of {bound_to.partition(':')[0]} is damaged or moved") from None

    def blind_index(self, text: str) -> bytes:
        """16 bytes: the same for the same text, and no way back to it without the key."""
        return hmac.digest(self._index, text.encode(), "sha256")[:INDEX_BYTES]

    def tail_mac(self, case_id: str, tail: str) -> str:
        """The keyed hash of an identity number's last four; the tail itself is kept nowhere."""
        message = f"{case_id}\0{tail.strip().upper()}".encode()
        return hmac.new(self._tail, message, hashlib.sha256).hexdigest()

    def tail_matches(self, case_id: str, tail: str, expected: str | None) -> bool:
        """Constant time; a missing hash never matches."""
        return expected is not None and hmac.compare_digest(self.tail_mac(case_id, tail), expected)


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, None, b"voicebot/" + purpose).derive(master)
