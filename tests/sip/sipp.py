"""SIPp as the far end: an independent implementation that follows a script of ours to the letter.

A script is a list of steps; SIPp's process ends with 0 only when every step happened in this order.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sip.ports import reserve

TAG = "[pid]far[call_number]"
CONTACT = "Contact: <sip:far@[local_ip]:[local_port];transport=[transport]>"
SDP = """v=0
o=far 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 {ip}
t=0 0
m=audio {port} RTP/AVP {formats}
{attributes}"""


def sdp(
    direction: str = "sendrecv",
    *,
    version: int = 1,
    ip: str = "[media_ip]",
    port: str = "[media_port]",
    formats: str = "8 101",
    attributes: Sequence[str] = ("rtpmap:8 PCMA/8000", "rtpmap:101 telephone-event/8000"),
) -> str:
    lines = "\n".join(f"a={line}" for line in (*attributes, direction))
    return SDP.format(version=version, ip=ip, port=port, formats=formats, attributes=lines)


def takes(method: str, *, optional: bool = False, regexp: str = "") -> str:
    """Waits for a request.  `regexp` must occur in it."""
    actions = ""
    if method == "INVITE":
        actions = (
            '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>'
            '<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" assign_to="target"/>'
        )
    if regexp:
        actions += f'<ereg regexp="{regexp}" search_in="msg" check_it="true" assign_to="seen"/>'
    optional_text = ' optional="true"' if optional else ""
    return f'<recv request="{method}" crlf="true"{optional_text}><action>{actions}</action></recv>'


def answers(status: str, body: str = "", *headers: str, tag: str = TAG, lost: int = 0) -> str:
    """Answers the last request.  `lost`: percent of the times that the answer is lost on the way."""
    head = [
        f"SIP/2.0 {status}",
        "[last_Via:]",
        "[last_From:]",
        "[last_To:]" if status.startswith("100") else f"[last_To:];tag={tag}",
        "[last_Call-ID:]",
        "[last_CSeq:]",
        CONTACT,
        *headers,
    ]
    return _send(head, body, f' lost="{lost}"' if lost else "")


def agrees(body: str = "", *headers: str) -> str:
    """200 to a request within the dialog, whose To has its tag already."""
    head = [
        "SIP/2.0 200 OK",
        *(f"[last_{name}:]" for name in ("Via", "From", "To", "Call-ID", "CSeq")),
        CONTACT,
        *headers,
    ]
    return _send(head, body)


def asks(method: str, body: str = "", *headers: str, cseq: int = 1, kind: str = "application/sdp") -> str:
    """A request of the far end within the dialog."""
    branch = "" if method != "ACK" else "ack"
    head = [
        f"{method} [$target] SIP/2.0",
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]{branch}",
        f"From: <sip:far@[local_ip]:[local_port]>;tag={TAG}",
        "To: [$from]",
        "Call-ID: [call_id]",
        f"CSeq: {cseq} {method}",
        "Max-Forwards: 70",
        CONTACT,
        *headers,
    ]
    return _send(head, body, kind=kind)


def hears(code: int, *, optional: bool = False) -> str:
    """Waits for an answer."""
    return f'<recv response="{code}"{" optional=" + chr(34) + "true" + chr(34) if optional else ""}/>'


def waits(milliseconds: int) -> str:
    return f'<pause milliseconds="{milliseconds}"/>'


def _send(head: Sequence[str], body: str, attributes: str = "", kind: str = "application/sdp") -> str:
    lines = [*head, *((f"Content-Type: {kind}",) if body else ()), "Content-Length: [len]", "", body]
    text = "\n".join(line for part in lines for line in part.split("\n"))
    return f"<send{attributes}><![CDATA[\n{text}\n]]></send>"


class Sipp:
    """A running SIPp that waits for one call."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, folder: Path) -> None:
        self._process, self.port, self._folder = process, port, folder

    @property
    def uri(self) -> str:
        return f"sip:+8613800000001@127.0.0.1:{self.port}"

    async def done(self, within_s: float = 8.0) -> None:
        """Every step of the script happened; else AssertionError with what SIPp complained of."""
        try:
            code = await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            code = -1
        assert code == 0, f"SIPp ended with {code}: {self._complaints()}"

    def _complaints(self) -> str:
        texts = [path.read_text("utf-8", "replace")[-3000:] for path in sorted(self._folder.glob("*.log"))]
        return "\n".join(texts)


@asynccontextmanager
async def sipp(folder: Path, script: Sequence[str], *options: str) -> AsyncIterator[Sipp]:
    """Starts SIPp with the script and waits until its port is open."""
    program = shutil.which("sipp")
    assert program, "install Debian's sip-tester"
    scenario = folder / "scenario.xml"
    body = "\n".join(script)
    assigned = dict.fromkeys(re.findall(r'assign_to="(\w+)"', body))
    used = f'<Reference variables="{",".join(assigned)}"/>' if assigned else ""
    scenario.write_text(f'<?xml version="1.0"?>\n<scenario name="far end">\n{body}\n{used}\n</scenario>\n')
    ports = reserve("127.0.0.1", max_calls=1)
    places = f"-i 127.0.0.1 -p {ports.sip_port} -mi 127.0.0.1 -mp {ports.rtp_port}".split()
    process = await asyncio.create_subprocess_exec(
        *(program, "-sf", str(scenario), *places, "-m", "1", "-nostdin", "-timeout", "10s"),
        *("-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"),
        *options,
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _listens(process, ports.sip_port)
        yield Sipp(process, ports.sip_port, folder)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        ports.release()


async def _listens(process: asyncio.subprocess.Process, port: int) -> None:
    """SIPp does not say when it is ready; the kernel knows who has bound the port."""
    mine, bound = f"0100007F:{port:04X}", Path("/proc/net/udp")
    for _ in range(500):
        if mine in bound.read_text():  # noqa: ASYNC240 - no disk
            return
        assert process.returncode is None, "SIPp ended at once: is the script valid?"
        await asyncio.sleep(0.01)
    raise AssertionError("SIPp did not open its port")
