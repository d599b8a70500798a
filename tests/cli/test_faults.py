"""Bad input gets one line that names the file, the line, the key and the mend; nothing is begun."""

from __future__ import annotations

import pytest

from tests.cli.small_site import LIST, SmallSite
from voicebot.errors import InputError


@pytest.mark.parametrize(
    ("what", "do", "line"),
    [
        ("no such file", "Give one.", "f.yaml:3 (key): no such file. Give one."),
        ("no such file.", "Give one.", "f.yaml:3 (key): no such file. Give one."),
        ("really?", "Give one.", "f.yaml:3 (key): really? Give one."),
        ("no such file", "", "f.yaml:3 (key): no such file"),
    ],
)
def test_what_and_do_are_two_sentences(what: str, do: str, line: str) -> None:
    assert str(InputError(what, do, "f.yaml", 3, "key")) == line


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: small\n", "", ("campaign.yaml:1 (name)", "this key is missing", "Allowed: ", "timezone")),
        (
            "timezone:",
            "timezon:",
            ("campaign.yaml:8 (timezon)", "this key is unknown", "Did you mean 'timezone'?", "Allowed: "),
        ),
        (
            "{start:",
            "{begin:",
            ("campaign.yaml:11 (simulation.begin)", "unknown", "Allowed: scenarios, start."),
        ),
        (
            "Asia/Shanghai",
            "Asia/Shangahi",
            ("campaign.yaml:8 (timezone)", "'Asia/Shangahi'", "use a name like Asia/Shanghai"),
        ),
        (
            "08:00-21:30",
            "8-21:30",
            (
                "campaign.yaml:9 (windows.mon-fri)",
                "'8-21:30' is no calling window",
                "write it like 09:00-12:00",
            ),
        ),
        (
            "08:00-21:30",
            "21:30-08:00",
            ("campaign.yaml:9 (windows.mon-fri)", "'21:30-08:00' ends before it begins"),
        ),
        ("mon-fri", "mo-fr", ("campaign.yaml:9 (windows)", "'mo-fr' is no weekday", "mon, tue")),
        ("trunk: simulated", "trunk: east", ("campaign.yaml:6 (trunk)", "'east'", "Known: simulated.")),
        ("[list.csv]", "[lists.csv]", ("campaign.yaml:4 (lists.0)", "there is no lists.csv", "Give a path")),
        ("name: small", "name: small\nname: big", ("campaign.yaml:2", "'name' is given twice")),
        ("name: small", "name: [small", ("campaign.yaml:2", "Correct this line, or the ones before it.")),
    ],
)
def test_a_wrong_campaign_file(
    site: SmallSite, command: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    before = site.files()
    site.command("voicebot", command, site.campaign(old, new)).refused(*words)
    assert site.files() == before


def test_a_campaign_file_that_is_not_there(site: SmallSite) -> None:
    site.command("voicebot", "run", "nope.yaml").refused("nope.yaml", "no such file", "Give the path")
    site.command("voicebot", "run", "configs").refused("configs: this is a folder")


def test_each_bad_row_of_a_list_is_named_before_anything_starts(site: SmallSite) -> None:
    site.write("list.csv", LIST + "A-3,P-3,刘建国,,100.00\nA-4,P-4,孙丽,13800002008,\nA-5,P-5,李雷,12345,9\n")
    before = site.files()
    line = site.command("voicebot", "run", "--strict", site.campaign()).refused(
        "campaign.yaml:4 (lists)",
        "3 bad rows",
        "list.csv:4 (phone, cell D4): the cell is empty",
        "list.csv:5 (amount_due, cell E5): the cell is empty",
        "list.csv:6 (phone, cell D6)",
        "Mend or remove what is named",
    )
    for personal in ("刘建国", "孙丽", "13800002008", "12345"):
        assert personal not in line
    assert site.files() == before


def test_a_list_with_hundreds_of_bad_rows_stays_one_readable_line(site: SmallSite) -> None:
    site.write("list.csv", LIST + "".join(f"B-{n},P-{n},某某,,1\n" for n in range(300)))
    line = site.command("voicebot", "run", "--strict", site.campaign()).refused(
        "300 bad rows", "and 280 more"
    )
    assert len(line) < 2000


def test_a_list_without_its_column(site: SmallSite) -> None:
    site.write("list.csv", LIST.replace("amount_due", "sum"))
    site.command("voicebot", "run", site.campaign()).refused(
        "list.csv:1", "the column amount_due (应还金额) is missing", "Needed: case_id"
    )


def test_wrong_site_settings(site: SmallSite) -> None:
    site.settings("timezone: Asia/Shanghai\nworker: 2\n")
    site.command("voicebot", "run", site.campaign()).refused(
        "configs/site.yaml:2 (worker)", "unknown", "Did you mean 'workers'?", "Allowed: "
    )
    site.settings("workers: many\n")
    site.command("voicebot", "run", site.campaign()).refused("configs/site.yaml:1 (workers)", "integer")
    site.settings("asr:\n  engine: siri\n")
    site.command("scripts-review", "list").refused(
        "configs/site.yaml:2 (asr.engine)", "'auto', 'whisper', 'vosk' or 'vosk-server'"
    )
    site.settings("1: x\n")
    site.command("voicebot", "run", site.campaign()).refused("configs/site.yaml")


@pytest.mark.parametrize(
    ("name", "value"),
    [("VOICEBOT_WORKERS", "many"), ("VOICEBOT_ASR__ENGINE", "siri"), ("VOICEBOT_ASR", "siri")],
)
def test_wrong_settings_in_the_environment(site: SmallSite, name: str, value: str) -> None:
    site.environment[name] = value
    site.command("voicebot", "run", site.campaign()).refused(name)


def test_wrong_trunk_file(site: SmallSite) -> None:
    site.write("configs/trunks.yaml", "trunks:\n  simulated:\n    simulated: true\n    cpss: 3\n")
    site.command("voicebot", "run", site.campaign()).refused(
        "configs/trunks.yaml:4 (trunks.simulated.cpss): this key is unknown", "Allowed keys: gateways"
    )


def test_a_simulation_never_meets_a_trunk_outside(site: SmallSite) -> None:
    site.write("configs/trunks.yaml", "trunks:\n  east:\n    gateways: [192.0.2.1:5060]\n")
    site.command("voicebot", "run", site.campaign("trunk: simulated", "trunk: east")).refused(
        "campaign.yaml:11 (simulation)", "only for a trunk on loopback", "leave simulation out"
    )


def test_the_store(site: SmallSite) -> None:
    broken = site.write("var/voicebot.db", "this is no store")
    site.command("voicebot", "stop-list", "list").refused("file is not a database", "var/voicebot.db")
    site.command("voicebot", "call", "show", "a1", "--store", str(broken)).refused(
        "not a database", "voicebot.db"
    )
    site.command("voicebot", "call", "show", "a1", "--store", "no.db").refused("no.db", "no such store")
    site.environment["VOICEBOT_STORE"] = "oracle://x"
    site.command("voicebot", "stop-list", "list").refused("store", "sqlite:///FILE or postgresql://")


def test_keys(site: SmallSite) -> None:
    keys = site.folder / "var" / "keys.json"
    keys.write_text("{}")
    site.command("voicebot", "stop-list", "list").refused("var/keys.json", "damaged", "back-up")
    keys.unlink()
    site.command("voicebot", "stop-list", "list").refused("var/keys.json", "cannot be read")
    site.command("voicebot", "run", site.campaign()).refused(
        "var/keys.json", "no keys", "voicebot demo prepare"
    )
    assert site.files() == set()


def test_an_unknown_call(site: SmallSite) -> None:
    site.command("voicebot", "call", "show", "a1").refused("there is no run yet", "--store")
    assert site.command("voicebot", "stop-list", "list").code == 0
    site.command("voicebot", "call", "show", "a1").refused("a1: no call has this id", "`voicebot call list`")
    site.command("voicebot", "call", "list", "--campaign", "may").refused("may", "no campaign of this name")


def test_the_stop_list(site: SmallSite) -> None:
    before = site.files()
    add = ("stop-list", "add")
    site.command("voicebot", *add, "12345", "--reason", "LAWYER").refused("number", "Write it like")
    site.command("voicebot", *add, "13800002001", "--reason", "FUN").refused(
        "reason: unknown stop-list reason 'FUN'", "Allowed: CONTACT_REFUSED"
    )
    assert site.files() == before


def test_explaining_somebody_who_is_not_there(site: SmallSite) -> None:
    explain = ("policy", "explain", "--campaign", site.campaign())
    site.command("voicebot", *explain, "A-9").refused(
        "campaign.yaml", "in none of the campaign's lists", "list.csv"
    )
    site.command("voicebot", *explain, "A-1", "--at", "noon").refused(
        "--at: 'noon' is no time", "2026-03-02T22:10"
    )


def test_talk_tracks_before_the_reviewers(site: SmallSite) -> None:
    track = "dialogs/talktracks/reminder.yaml"
    review = "scripts-review"
    site.command(review, "list").refused("nothing was submitted on this site yet", "scripts-review submit")
    for command in ("lint", "show", "simulate"):
        site.command(review, command, "no.yaml").refused("no.yaml", "No such file", "existing file")
    site.command(review, "submit", track, "--as", "nobody").refused(
        "nobody called 'nobody' is registered", "voicebot people list"
    )
    site.command(review, "list", "--site", "no.yaml").refused("no.yaml: there is no such file")
    site.command(review, "show", "reminder@1").refused("reminder@1 was not submitted here")
    site.command(review, "show", "reminder").refused("'reminder' names no version", "reminder@3")
    wrong = site.write("wrong.yaml", "track:\n  id: x\n  versoin: 1\n")
    site.command(review, "show", wrong.name).refused(
        "wrong.yaml:3 (track.versoin)", "this key is unknown", "spelling"
    )


def test_a_place_that_cannot_be_written(site: SmallSite) -> None:
    site.write("file", "")
    site.command("scripts-review", "keygen", "file/key.pem", "--unencrypted").refused(
        "file", "Check the path and its permissions."
    )
    site.environment["VOICEBOT_STORE"] = "sqlite:///file/store.db"
    site.command("voicebot", "stop-list", "list").refused("file: the store's folder cannot be made")
