"""A command or option that does not exist, and the help that a newcomer reads."""

from __future__ import annotations

import pytest

from tests.cli.small_site import SmallSite


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("voicebot rnu x", ("No such command 'rnu'. Did you mean 'run'?", "See `voicebot --help`.")),
        ("voicebot run --sight x", ("No such option: --sight", "See `voicebot run --help`.")),
        ("voicebot run", ("Missing argument 'FILE'", "See `voicebot run --help`.")),
        ("voicebot stop-list add 13800002001", ("Missing option '--reason'", "stop-list add --help")),
        ("voicebot models check nope", ("there is no model 'nope'", "Known: whisper-base")),
        ("scripts-review aprove x", ("No such command 'aprove'. Did you mean 'approve'?", "--help")),
        ("scripts-review lint", ("Missing argument", "See `scripts-review lint --help`.")),
    ],
)
def test_misuse_is_one_line(site: SmallSite, line: str, words: tuple[str, ...]) -> None:
    program, *arguments = line.split()
    site.command(program, *arguments).refused(*words)


@pytest.mark.parametrize("line", ["voicebot rnu", "scripts-review aprove x"])
def test_the_installed_commands_do_the_same(site: SmallSite, line: str) -> None:
    program, *arguments = line.split()
    site.process(program, *arguments).refused("Did you mean")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("voicebot --help", ("voicebot doctor", "voicebot check FILE", "voicebot run FILE", "stop-list")),
        ("voicebot run --help", ("FILE", "configs/campaigns/demo.yaml", "Ctrl-C", "--site")),
        ("scripts-review --help", ("lint", "submit", "approve", "two other people")),
    ],
)
def test_help(site: SmallSite, line: str, words: tuple[str, ...]) -> None:
    program, *arguments = line.split()
    said = site.command(program, *arguments)
    assert (said.code, said.err) == (0, "")
    text = " ".join(said.out.split())
    for word in words:
        assert word in text


@pytest.mark.parametrize("program", ["voicebot", "scripts-review"])
def test_without_a_command_the_help_is_shown_once(site: SmallSite, program: str) -> None:
    said = site.command(program)
    assert said.out.count("Usage:") == 1 and said.err == ""
