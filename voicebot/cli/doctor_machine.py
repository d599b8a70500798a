"""The doctor's look at the machine: environments, disk, clock, voices, fonts, PJSIP, ports."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from matplotlib import font_manager

from sip.errors import PortBusy
from sip.ports import block_size, reserve
from sip.softphone import PhoneSettings, Softphone
from voicebot.cli.finding import Finding
from voicebot.quality.timeline import CJK_FONTS
from voicebot.settings import Site

NATIVE_LIBRARIES = ("pjsua2", "onnxruntime", "ctranslate2", "vosk", "webrtcvad", "pysqlite3", "cryptography")
RASA_VERSION = "3.6.21"
FREE_DISK_MB = 2000  # a day of recordings: 1,000 calls of one minute in stereo are 2 GB
OWN_LEGS = 2  # a worker keeps one slot for a consult leg and one to spare
OLDEST_YEAR = 2026  # an earlier date means that the clock was never set
ANSWER_LIMIT_S = 60.0
ESPEAK_VOICE = "cmn-latn-pinyin"
SET_UP = "Run: make setup"
WHICH_RASA = """
import importlib.metadata, json, sys
print(json.dumps([sys.version.split()[0], importlib.metadata.version("rasa")]))
"""


def core_environment(site: Site) -> Finding:
    """Our own Python and its native libraries."""
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        return Finding.bad(f"Python {version}, but 3.11 or 3.12 is needed", SET_UP)
    for name in NATIVE_LIBRARIES:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as fault:
            return Finding.bad(f"{name} does not load ({fault})", SET_UP)
    return Finding.fine(f"Python {version}, {len(NATIVE_LIBRARIES)} native libraries load")


def rasa_environment(site: Site) -> Finding:
    """The Rasa side's Python starts and has the pinned Rasa."""
    if not site.rasa_python.exists():
        return Finding.bad(f"{site.rasa_python} is missing", SET_UP)
    try:
        result = subprocess.run(
            [site.rasa_python, "-c", WHICH_RASA],
            capture_output=True,
            text=True,
            timeout=ANSWER_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return Finding.bad(f"{site.rasa_python} does not run or has no Rasa", SET_UP)
    python, rasa = json.loads(result.stdout)
    if rasa != RASA_VERSION:
        return Finding.bad(f"Rasa {rasa}, but {RASA_VERSION} is pinned", SET_UP)
    return Finding.fine(f"Python {python}, Rasa {rasa}")


def disk(site: Site) -> Finding:
    """Room for recordings where runs write."""
    place = next(path for path in (site.var.absolute(), *site.var.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free // 1_000_000
    if free < FREE_DISK_MB:
        do = f"Make room: {FREE_DISK_MB} MB hold about 1,000 recorded calls."
        return Finding.bad(f"{free} MB free at {place}", do)
    return Finding.fine(f"{free / 1000:.0f} GB free for {site.var}")


def clock(site: Site) -> Finding:
    """The time of day in the site's zone, which calling hours are counted in."""
    now = datetime.now(site.zone)
    if now.year < OLDEST_YEAR:
        return Finding.bad(
            f"this machine's clock says {now:%Y-%m-%d %H:%M}", "Set it (NTP): calling hours hang on it."
        )
    synchronised = _ntp()
    note = {"yes": ", synchronised", "no": ", not synchronised by NTP"}.get(synchronised, "")
    return Finding.fine(f"{now:%Y-%m-%d %H:%M} in {site.timezone}{note}")


def _ntp() -> str:
    """ "yes", "no", or "" when this machine does not tell."""
    if not Path("/run/systemd/system").exists() or not (program := shutil.which("timedatectl")):
        return ""
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip()


def espeak(site: Site) -> Finding:
    """The voice that is always there."""
    program = shutil.which("espeak-ng")
    if program is None:
        return Finding.bad("not installed", "Install the package espeak-ng.")
    result = subprocess.run(
        [program, "--voices=cmn"], capture_output=True, text=True, timeout=ANSWER_LIMIT_S, check=False
    )
    if ESPEAK_VOICE not in result.stdout:
        return Finding.bad(f"it has no voice {ESPEAK_VOICE}", "Install a current package espeak-ng.")
    return Finding.fine(f"voice {ESPEAK_VOICE}")


def fonts(site: Site) -> Finding:
    """A font with Chinese for the pictures of the report."""
    known = set(font_manager.get_font_names())
    name = next((name for name in CJK_FONTS if name in known), None)
    if name is None:
        return Finding.bad(
            "none has Chinese: pictures show numbers only", "Install the package fonts-noto-cjk."
        )
    return Finding.fine(name)


def call_limit(site: Site) -> Finding:
    """How many legs a process of this PJSIP build takes, against what a worker is set to."""
    limit = asyncio.run(_limit_of_a_phone(site.sip.ip))
    needed = site.legs_per_worker + OWN_LEGS
    if needed > limit:
        return Finding.bad(
            f"{limit} legs a process, but legs_per_worker: {site.legs_per_worker} needs {needed}",
            f"Set legs_per_worker: {limit - OWN_LEGS} and more workers, or install a bigger build of PJSIP.",
        )
    lines = site.workers * site.legs_per_worker
    return Finding.fine(f"{limit} legs a process; {site.workers} workers take {lines} calls at a time")


async def _limit_of_a_phone(ip: str) -> int:
    async with Softphone(PhoneSettings(ip=ip, max_calls=1)) as phone:
        return phone.call_limit


def ports(site: Site) -> Finding:
    """UDP ports for every worker's phone, on the address that they send from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((site.sip.ip, 0))
        except OSError:
            return Finding.bad(
                f"{site.sip.ip} is no address of this machine", "Set sip: {ip: …} in the site's file."
            )
    first, last = site.sip.ports
    calls = site.legs_per_worker + OWN_LEGS
    blocks = []
    try:
        for _ in range(site.workers):
            blocks.append(reserve(site.sip.ip, max_calls=calls, within=site.sip.ports))
    except PortBusy:
        return Finding.bad(
            f"{site.sip.ip}:{first}-{last} has room for {len(blocks)} of {site.workers} workers; "
            f"each takes {block_size(calls)} UDP ports",
            "Widen sip: {ports: [first, last]} in the site's file, or run fewer workers.",
        )
    finally:
        for block in blocks:
            block.release()
    return Finding.fine(f"free for {site.workers} workers on {site.sip.ip}, {first} to {last}")
