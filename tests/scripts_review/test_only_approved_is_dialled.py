"""Only an approved talk track leads to an INVITE: counted by the phone at the other end."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dialogs.build import RASA_PYTHON, build
from dialogs.track import Track
from tests.cli.small_site import ROOT, SmallSite
from tests.cli.small_site import build as small_site
from tests.scripts_review import reviewed
from tests.scripts_review.office import by_hand
from voicebot.settings import load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing
from voicebot.store.track_states import Action
from voicebot.store.track_versions import TrackContent

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

REMINDER = Path("dialogs/talktracks/reminder.yaml")
PEOPLE = 200
"""More than are called before the revocation."""
START_WITHIN_S = 240.0
"""Speech, dialog and world start; a busy machine takes its time."""
REVOKED_WITHIN_S = 1.0


class BusyPhone:
    """Answers OPTIONS with 200 and every INVITE with 486; remembers when each came, by Call-ID."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.asked = 0
        self.invites: dict[str, float] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data, sender = self._socket.recvfrom(65535)
            except OSError:  # closed
                return
            request = data.decode("utf-8", "replace")
            method = request.split(" ", 1)[0]
            if method == "OPTIONS":
                self.asked += 1
                self._socket.sendto(_answer(request, "200 OK"), sender)
            elif method == "INVITE":
                self.invites.setdefault(_headers(request, "Call-ID")[0], time.monotonic())
                self._socket.sendto(_answer(request, "486 Busy Here"), sender)

    def close(self) -> None:
        self._socket.close()


def _headers(request: str, name: str) -> list[str]:
    return re.findall(rf"(?im)^{name}: *(.*?)\r?$", request)


def _answer(request: str, status: str) -> bytes:
    lines = [f"SIP/2.0 {status}", *(f"Via: {via}" for via in _headers(request, "Via"))]
    lines += [f"{name}: {_headers(request, name)[0]}" for name in ("From", "Call-ID", "CSeq")]
    lines += [f"To: {_headers(request, 'To')[0]};tag=busy", "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


@pytest.fixture
def phone() -> Iterator[BusyPhone]:
    busy = BusyPhone()
    yield busy
    busy.close()


@pytest.fixture(scope="session")
def built() -> tuple[TrackContent, Path]:
    """The reminder and its build, which the other tests of the dialog use too."""
    track = Track.load(ROOT / REMINDER)
    build(ROOT / REMINDER, ROOT / "var" / "tracks")
    return TrackContent.of(track), ROOT / "var" / "tracks" / track.digest


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], phone: BusyPhone
) -> SmallSite:
    """Two campaigns to that phone: simulated.yaml by a simulated clock, real.yaml by the wall's."""
    site = small_site(tmp_path, monkeypatch, capsys)
    site.write("configs/trunks.yaml", f'trunks:\n  east:\n    gateways: ["127.0.0.1:{phone.port}"]\n')
    campaign = yaml.safe_load((ROOT / "configs/campaigns/demo.yaml").read_text("utf-8"))
    campaign |= {"name": "small", "trunk": "east", "calls_per_second": 5, "lines": 4}
    campaign |= {"lists": ["list.csv"], "balances": {"file": "balances.csv"}}
    del campaign["simulation"]["scenarios"]
    site.write("simulated.yaml", yaml.safe_dump(campaign, allow_unicode=True))
    del campaign["simulation"]
    site.write("real.yaml", yaml.safe_dump(campaign, allow_unicode=True))
    for ours, demo in (("list.csv", "demo.csv"), ("balances.csv", "demo_balances.csv")):
        header, row = (ROOT / "configs" / "lists" / demo).read_text("utf-8").splitlines()[:2]
        rows = (_another(row, number) for number in range(PEOPLE))
        site.write(ours, "\n".join([header, *rows]) + "\n")
    site.environment |= {
        "VOICEBOT_PROMPTS": str(ROOT / "var" / "prompts"),
        "VOICEBOT_RASA_PYTHON": str(RASA_PYTHON),
        "VOICEBOT_TTS__VOICE": "espeak:cmn",
        "VOICEBOT_WORKERS": "1",
    }
    return site


def _another(row: str, number: int) -> str:
    """The demo's first row as another person's."""
    own = {"DEMO-01": f"A-{number}", "P-1001": f"P-{number}", "+8613800002001": f"+86139{number:08d}"}
    for old, new in (own | {"HT-2025-1001": f"HT-{number}"}).items():
        row = row.replace(old, new)
    return row


class Register:
    """The site's store and builds, made anew for every case."""

    def __init__(self, site: SmallSite, content: TrackContent, source: Path) -> None:
        self._site, self._source, self.content = site, source, content
        self.tracks = site.folder / "var" / "tracks" / content.digest

    def open(self) -> Store:
        settings = load_site()
        return Store.open(settings.store, KeyRing.load(settings.keys))

    def make(self, do: Callable[[Register, Store], None]) -> None:
        for old in (self._site.folder / "var").glob("voicebot.db*"):
            old.unlink()
        shutil.rmtree(self.tracks, ignore_errors=True)
        shutil.copytree(self._source, self.tracks)
        store = self.open()
        try:
            do(self, store)
        finally:
            store.close()

    def approved(self, store: Store) -> None:
        reviewed.approve(store, self.content)


def _submitted(at: Register, store: Store) -> None:
    reviewed.approve(store, at.content, by=[])


def _half_approved(at: Register, store: Store) -> None:
    reviewed.approve(store, at.content, by=["reviewer-wang"])


def _no_senior_reviewer(at: Register, store: Store) -> None:
    reviewed.approve(store, at.content, by=["reviewer-wang", "reviewer-he"], topics=["law"])


def _rejected(at: Register, store: Store) -> None:
    _half_approved(at, store)
    reviewed.append(store, reviewed.signed(store, at.content, Action.REJECT, "reviewer-sun"))


def _revoked(at: Register, store: Store) -> None:
    at.approved(store)
    reviewed.revoke(store, at.content)


def _revocation_taken_away(at: Register, store: Store) -> None:
    _revoked(at, store)
    by_hand(store, "DELETE FROM review WHERE action = 'revoke'")


def _by_hand(statement: str) -> Callable[[Register, Store], None]:
    def do(at: Register, store: Store) -> None:
        at.approved(store)
        by_hand(store, statement)

    return do


def _text_of_the_build(at: Register, store: Store) -> None:
    at.approved(store)
    manifest = at.tracks / "manifest.json"
    said = manifest.read_text("utf-8")
    assert "方便处理" in said
    manifest.write_text(said.replace("方便处理", "必须处理"), "utf-8")


def _model_of_the_build(at: Register, store: Store) -> None:
    at.approved(store)
    with (at.tracks / "model.tar.gz").open("ab") as model:
        model.write(b"\0")


WRONG: dict[str, tuple[Callable[[Register, Store], None], str]] = {
    "never submitted": (lambda at, store: reviewed.register_people(store), "is not approved"),
    "submitted": (_submitted, "0 of 2 approvals, it takes 2 more approvals"),
    "half-approved": (_half_approved, "1 of 2 approvals, it takes 1 more approval"),
    "two, none of them senior": (_no_senior_reviewer, "it takes the approval of a senior reviewer"),
    "rejected": (_rejected, "reviewer-sun rejected it"),
    "revoked": (_revoked, "reviewer-wang revoked it"),
    "its revocation deleted": (_revocation_taken_away, "the record of reviews was tampered with"),
    "another signer written in": (
        _by_hand("UPDATE review SET person = 'reviewer-he' WHERE seq = 2"),
        "the record of reviews was tampered with: review 2",
    ),
    "another signature": (
        _by_hand("UPDATE review SET signature = 'AAAA' WHERE seq = 3"),
        "the record of reviews was tampered with: review 3",
    ),
    "another text in the store": (
        _by_hand("UPDATE track_version SET content = replace(content, '方便处理', '必须处理')"),
        "was changed in the store",
    ),
    "another text in the build": (_text_of_the_build, "is not what was approved"),
    "another model in the build": (_model_of_the_build, "the model of reminder@1 was changed"),
}


def test_only_an_approved_track_is_dialled_and_no_longer_than_that(
    site: SmallSite, phone: BusyPhone, built: tuple[TrackContent, Path]
) -> None:
    """The same phone, list and campaign each time; the last case shows that they would be dialled."""
    register = Register(site, *built)
    for case, (do, words) in WRONG.items():
        register.make(do)
        for campaign in ("simulated.yaml", "real.yaml"):
            asked = phone.asked
            site.command("voicebot", "run", campaign).refused(words)
            assert phone.asked > asked, f"{case}: nobody looked for the phone"
            assert not phone.invites, f"{case}, {campaign}: dialled"

    register.make(lambda at, store: at.approved(store))
    _authors_go_on_writing(site)
    with site.started("voicebot", "run", "simulated.yaml") as run:
        try:
            _wait_for(lambda: len(phone.invites) >= 3 or run.poll() is not None)
            assert phone.invites, run.communicate(timeout=10)
            _revoke(site)
            revoked_at = time.monotonic()
            out, err = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 1, out + err
    assert "the approval of its talk track was revoked" in out, out + err
    dialled = len(phone.invites)
    assert max(phone.invites.values()) <= revoked_at + REVOKED_WITHIN_S
    assert 3 <= dialled < PEOPLE, "the list was not at its end"
    assert _spoken_digest(site) == register.content.digest, "the author's new text is nobody's business yet"

    asked = phone.asked
    site.command("voicebot", "run", "simulated.yaml").refused("reviewer-sun revoked it")
    assert (phone.asked > asked, len(phone.invites)) == (True, dialled)


def _authors_go_on_writing(site: SmallSite) -> None:
    """The file that was submitted says something else by now."""
    (site.folder / "dialogs").unlink()
    shutil.copytree(ROOT / "dialogs" / "talktracks", site.folder / "dialogs" / "talktracks")
    shutil.copytree(ROOT / "dialogs" / "utterances", site.folder / "dialogs" / "utterances")
    file = site.folder / REMINDER
    said = file.read_text("utf-8")
    assert "方便处理" in said
    file.write_text(said.replace("方便处理", "必须处理"), "utf-8")


def _revoke(site: SmallSite) -> None:
    key = site.folder / "sun.pem"
    private = reviewed.key_of("reviewer-sun")
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    os.chmod(key, 0o600)
    said = site.command(
        *("scripts-review", "revoke", "reminder@1", "--as", "reviewer-sun"),
        *("--key", str(key), "--reason", "a wrong number"),
    )
    assert said.code == 0, said.err


def _spoken_digest(site: SmallSite) -> str:
    (log,) = (site.folder / "var" / "runs" / "small").glob("2*/logs/supervisor.log")
    started = (json.loads(line) for line in log.read_text("utf-8").splitlines() if "run_started" in line)
    return str(next(started)["digest"])


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + START_WITHIN_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
