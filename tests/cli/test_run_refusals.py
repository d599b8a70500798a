"""`voicebot run` on a site where a part is missing: one line, no run begun, no process left."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dialogs.manifest import Manifest
from dialogs.track import Track
from tests.cli.small_site import CAMPAIGN, SmallSite
from tests.scripts_review.office import by_hand
from voicebot.settings import load_site
from voicebot.store.database import Store
from voicebot.store.encryption import KeyRing

REMINDER = Path("dialogs/talktracks/reminder.yaml")


@pytest.fixture
def approved(site: SmallSite, signed_var: Path) -> Track:
    """The talk tracks with their signatures."""
    shutil.copytree(signed_var, site.folder / "var", dirs_exist_ok=True)
    return Track.load(REMINDER)


def write_manifest(site: SmallSite, track: Track, **changes: object) -> None:
    """What a run looks for before it starts Rasa."""
    folder = site.folder / "var" / "tracks" / track.digest
    folder.mkdir(parents=True)
    Manifest.of(track).model_copy(update={"model": hashlib.sha256().hexdigest()} | changes).save(
        folder / "manifest.json"
    )
    (folder / "model.tar.gz").write_bytes(b"")


def carrier(site: SmallSite, *ports: int, more: str = "") -> str:
    """A campaign without simulation, on a trunk with gateways of this machine."""
    gateways = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    site.write("configs/trunks.yaml", f"trunks:\n  east:\n    gateways: [{gateways}]\n{more}")
    text = CAMPAIGN.replace("trunk: simulated", "trunk: east")
    site.write("campaign.yaml", text[: text.index("simulation:")])
    return "campaign.yaml"


@contextmanager
def gateway() -> Iterator[int]:
    """Answers each OPTIONS with 200."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(30)

        def answer() -> None:
            request, sender = phone.recvfrom(65535)
            phone.sendto(b"SIP/2.0 200 OK\r\n" + request.split(b"\r\n", 1)[1], sender)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield phone.getsockname()[1]


def silent_port() -> int:
    """A port at which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_nobody_answers_at_the_gateway(site: SmallSite) -> None:
    port = silent_port()
    before = site.files()
    site.command("voicebot", "run", carrier(site, port)).refused(
        f"configs/trunks.yaml:3 (trunks.east.gateways): 127.0.0.1:{port} of trunk east",
        "did not answer OPTIONS",
        "Check the address, the firewall",
        "options: false",
    )
    assert site.files() == before


def test_a_carrier_that_ignores_options_is_not_asked(site: SmallSite) -> None:
    file = carrier(site, silent_port(), more="    options: false\n")
    before = site.files()
    site.command("voicebot", "run", file).refused("campaign.yaml:3 (talk_track)", "is not approved")
    assert site.files() == before, "asking a store that is not there makes none"


def test_one_gateway_of_two_that_answers_is_enough(site: SmallSite) -> None:
    silent = silent_port()
    with gateway() as port:
        said = site.command("voicebot", "run", carrier(site, port, silent))
    warning, refusal = said.err.splitlines()
    assert warning.startswith(f"warning: 127.0.0.1:{silent} of trunk east did not answer OPTIONS")
    assert str(port) not in warning
    assert "campaign.yaml:3 (talk_track)" in refusal


def test_a_gateway_that_answers_is_not_refused(site: SmallSite) -> None:
    with gateway() as port:
        site.command("voicebot", "run", carrier(site, port)).refused(
            "campaign.yaml:3 (talk_track)", "is not approved"
        )


def test_a_simulated_trunk_without_simulation(site: SmallSite) -> None:
    site.write("campaign.yaml", CAMPAIGN[: CAMPAIGN.index("simulation:")])
    site.command("voicebot", "run", "campaign.yaml").refused(
        "campaign.yaml:6 (trunk)", "needs a simulation section", "simulation: {start:"
    )


def test_a_missing_model(site: SmallSite) -> None:
    empty = site.folder / "empty"
    empty.mkdir()
    site.environment["VOICEBOT_MODELS"] = str(empty)
    before = site.files()
    site.command("voicebot", "run", site.campaign()).refused(
        f"{empty}: silero/silero_vad.onnx is missing", "Run: voicebot models install"
    )
    assert site.files() == before
    assert list(empty.iterdir()) == []


def test_no_rasa_environment(site: SmallSite) -> None:
    site.environment["VOICEBOT_RASA_PYTHON"] = "/no/such/python"
    before = site.files()
    site.command("voicebot", "run", site.campaign()).refused(
        "/no/such/python: the Rasa environment is not set up", "Run: make setup"
    )
    assert site.files() == before


def test_an_unknown_talk_track(site: SmallSite) -> None:
    before = site.files()
    site.command("voicebot", "run", site.campaign("reminder@1", "remindre@1")).refused(
        "campaign.yaml:3 (talk_track)",
        "there is no talk track 'remindre' in dialogs/talktracks",
        "Did you mean 'reminder'? Known: contact, instalment, reminder.",
    )
    assert site.files() == before


def test_a_talk_track_that_nobody_approved(site: SmallSite) -> None:
    before = site.files()
    site.command("voicebot", "run", site.campaign()).refused(
        "campaign.yaml:3 (talk_track): the talk track reminder@1 is not approved",
        "Run: scripts-review submit dialogs/talktracks/reminder.yaml",
    )
    assert site.files() == before


def test_a_version_that_nobody_approved(site: SmallSite, approved: Track) -> None:
    site.command("voicebot", "run", site.campaign("reminder@1", "reminder@9")).refused(
        "campaign.yaml:3 (talk_track): reminder@9 was never submitted", "Approved: reminder@1"
    )


def test_a_version_that_was_revoked(site: SmallSite, approved: Track) -> None:
    said = site.command(
        "scripts-review", "revoke", "reminder@1", "--as", "reviewer-sun", "--reason", "a wrong number"
    )
    assert said.code == 0, said.err
    before = site.files()
    site.command("voicebot", "run", site.campaign()).refused(
        "campaign.yaml:3 (talk_track): reminder@1 is not approved: reviewer-sun revoked it", "a wrong number"
    )
    assert site.files() == before


def test_an_approved_talk_track_that_cannot_be_built(site: SmallSite, approved: Track) -> None:
    """What is not built here is built from the store; the Python of this site has no Rasa."""
    before = site.files()
    site.command("voicebot", "run", site.campaign()).refused("training failed")
    new = {name for name in site.files() - before if not name.startswith("runs")}
    assert not any(name.endswith(("manifest.json", "model.tar.gz")) for name in new)


def test_a_build_that_says_other_words_than_were_approved(site: SmallSite, approved: Track) -> None:
    manifest = Manifest.of(approved)
    lines = {**manifest.lines, "C.end": manifest.lines["C.end"].model_copy(update={"text": "等着瞧。"})}
    write_manifest(site, approved, lines=lines)
    site.command("voicebot", "run", site.campaign()).refused(
        "what was built of reminder@1 is not what was approved", "scripts-review prepare reminder@1"
    )


def test_a_record_of_reviews_that_was_touched(site: SmallSite, approved: Track) -> None:
    settings = load_site(environment=site.environment)
    store = Store.open(settings.store, KeyRing.load(settings.keys))
    by_hand(store, "UPDATE review SET person = 'reviewer-he' WHERE seq = 2")
    store.close()
    before = site.files()
    site.command("voicebot", "run", site.campaign()).refused(
        "the record of reviews was tampered with: review 2", "Run: scripts-review verify."
    )
    assert site.files() == before


def test_rasa_that_ends_at_once(site: SmallSite, approved: Track) -> None:
    write_manifest(site, approved)
    site.environment["VOICEBOT_RASA_PYTHON"] = "/bin/false"
    site.environment["SMALL_SITE"] = marker = str(site.folder)
    before = site.files()
    began = time.monotonic()
    site.process("voicebot", "run", site.campaign()).refused(
        "the dialog service did not become ready", "See "
    )
    assert time.monotonic() - began < 30
    assert processes_with(f"SMALL_SITE={marker}") == []
    new = {name for name in site.files() - before if not name.startswith("runs/small/not-started")}
    logs_and_locks = {"runs", "runs/small", "tracks/dialog-service.log", "prompts", "prompts/.lock"}
    assert new <= logs_and_locks


def test_a_speech_service_that_cannot_start(site: SmallSite, approved: Track) -> None:
    """What it said is in the line; the Rasa that was starting beside it is gone."""
    write_manifest(site, approved)
    python = site.write("slow-python", "#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    site.environment |= {"VOICEBOT_RASA_PYTHON": str(python), "SMALL_SITE": str(site.folder)}
    site.environment |= {"VOICEBOT_ASR__ENGINE": "vosk", "VOICEBOT_ASR__MODEL": str(site.folder / "no-model")}
    said = site.process("voicebot", "run", site.campaign())
    said.refused("speech ended with code 2", "no-model", "no Vosk model there", "See speech.log.")
    assert "var/runs/small/not-started" in said.out
    assert "no Vosk model" in (site.folder / "var/runs/small/not-started/speech.log").read_text("utf-8")
    assert processes_with(f"SMALL_SITE={site.folder}") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_starts(site: SmallSite, approved: Track, number: signal.Signals) -> None:
    write_manifest(site, approved)
    python = site.write("slow-python", "#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    site.environment |= {"VOICEBOT_RASA_PYTHON": str(python), "SMALL_SITE": str(site.folder)}
    with site.started("voicebot", "run", site.campaign()) as run:
        assert run.stdout is not None
        assert "starting: speech service" in run.stdout.readline()
        run.send_signal(number)
        _, said = run.communicate(timeout=60)
    assert (run.returncode, said) == (130, "")
    assert processes_with(f"SMALL_SITE={site.folder}") == []
    assert not list((site.folder / "var").glob("runs/small/2*"))


def processes_with(entry: str) -> list[str]:
    """Command lines of the processes that have this in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or folder.name == str(os.getpid()):
            continue
        try:
            if entry.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's, or gone meanwhile
    return found


@pytest.mark.parametrize("started", [True, False])
def test_a_process_left_behind_would_be_seen(started: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(["sleep", "30"], env={**os.environ, "SMALL_SITE": "here"})
    try:
        if not started:
            child.kill()
            child.wait()
        assert bool(processes_with("SMALL_SITE=here")) is started
    finally:
        child.kill()
        child.wait()
