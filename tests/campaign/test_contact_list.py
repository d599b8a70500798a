"""Lists as people save them: encodings, separators, forms of numbers and amounts, rows that are wrong."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.contact_list import ListRow, yuan_to_fen
from voicebot.campaign.phone_number import to_e164
from voicebot.errors import InputError

INSTITUTION = "海城消费金融"
HEADER = "case_id,debtor_id,name,phone,amount_due,party,id_tail,due_date,flags,remark"
ROW = "C1,D1,张伟,13812341234,520.40,debtor,123X,2026-03-01,vip,老客户"


def judge(*paths: Path, institution: str = "") -> CampaignLists:
    return CampaignLists.judge(paths, institution)


def rows(lists: CampaignLists) -> list[ListRow]:
    return [row for points in lists.groups() for row in points]


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (row,) = rows(judge(write(tmp_path / "l.csv", HEADER, ROW, encoding=encoding)))
    assert (row.name, row.phone, row.amount_due, row.id_tail) == ("张伟", "+8613812341234", 52040, "123X")
    assert (row.flags, row.notes) == (("vip",), {"remark": "老客户"})


@pytest.mark.parametrize("separator", [";", "\t"])
def test_separators(tmp_path: Path, separator: str) -> None:
    lines = [line.replace(",", separator) for line in (HEADER, ROW)]
    assert judge(write(tmp_path / "l.csv", *lines)).rows == 1


def test_a_quoted_field_with_a_line_break(tmp_path: Path) -> None:
    lines = [
        HEADER,
        ROW.replace("老客户", '"第一行\n第二行"'),
        ROW.replace("C1", "C2").replace("520.40", "x"),
    ]
    result = judge(write(tmp_path / "l.csv", *lines))
    assert rows(result)[0].notes["remark"] == "第一行\n第二行"
    assert [row.line for row in result.rejected_rows()] == [4]  # the file's line, not the row's number


@pytest.mark.parametrize(
    "text",
    [
        "13812341234",
        "86 138 1234 1234",
        "+8613812341234",
        "0086-138-1234-1234",
        "１３８１２３４１２３４",
        " 138-1234-1234 ",
    ],
)
def test_forms_of_a_mobile_number(text: str) -> None:
    assert to_e164(text) == "+8613812341234"


def test_a_fixed_line_needs_its_area_code() -> None:
    assert to_e164("010-88881234") == to_e164("(010) 8888 1234") == "+861088881234"
    with pytest.raises(ValueError, match="area code"):
        to_e164("88881234")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1.38123E+10", "scientific"),
        ("1381234123", "length"),
        ("12345678901", "numbering plan"),
        ("1088881234", "leading zero"),
        ("138123412345", "length"),
        ("", "no number"),
        ("13812341234/13900000000", "other signs"),
    ],
)
def test_what_is_no_number(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as fault:
        to_e164(text)
    assert not text or text not in str(fault.value)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("520.40", 52040),
        ("520", 52000),
        ("0.07", 7),
        ("1,520.40", 152040),
        ("￥８.１０元", 810),
        ("90071992547409.93", 9007199254740993),
    ],
)
def test_amounts(text: str, fen: int) -> None:
    assert yuan_to_fen(text) == fen


@pytest.mark.parametrize("text", ["", "-1", "1.005", "1e3", "12,34", "约500", "NaN"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="元"):
        yuan_to_fen(text)


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("13812341234", "", "phone"),
        ("13812341234", "138", "phone"),
        ("520.40", "", "amount_due"),
        ("520.40", "五百", "amount_due"),
        ("debtor", "friend", "party"),
        ("123X", "12", "id_tail"),
        ("2026-03-01", "03/01/2026", "due_date"),
        ("D1", "", "debtor_id"),
    ],
)
def test_a_bad_row_is_named_and_the_good_ones_load(tmp_path: Path, old: str, new: str, column: str) -> None:
    good = ROW.replace("C1", "C2").replace("D1", "D2")
    result = judge(write(tmp_path / "l.csv", HEADER, ROW.replace(old, new, 1), good))
    assert [row.case_id for row in rows(result)] == ["C2"]
    (bad,) = result.rejected_rows()
    assert (bad.line, bad.column) == (2, column)
    assert "13812341234" not in str(bad) and "张伟" not in str(bad)


def test_several_rows_of_a_case_are_contact_points(tmp_path: Path) -> None:
    other = ROW.replace("13812341234", "13900000000")
    same = ROW.replace("13812341234", "+86 138-1234-1234")
    stranger = ROW.replace("D1", "D9").replace("13812341234", "13700000000")
    result = judge(write(tmp_path / "l.csv", HEADER, ROW, other, same, stranger))
    assert [row.phone for row in rows(result)] == ["+8613812341234", "+8613900000000"]
    assert [(row.line, row.column) for row in result.rejected_rows()] == [(4, "phone"), (5, "debtor_id")]


def test_a_case_without_its_debtor_is_rejected(tmp_path: Path) -> None:
    result = judge(write(tmp_path / "l.csv", HEADER, ROW.replace("debtor", "contact")))
    assert (result.rows, [row.column for row in result.rejected_rows()]) == (0, ["party"])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([""], "empty"),
        ([",,", ROW], "first row is empty"),
        ([HEADER.replace("phone,", "")], "phone"),
        ([HEADER + ",phone", ROW + ",1"], "twice"),
    ],
)
def test_a_list_without_a_proper_header(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words) as fault:
        judge(write(tmp_path / "l.csv", *lines))
    assert fault.value.line == 1


def test_a_text_in_no_known_encoding(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(codecs.BOM_UTF8[:2] + b"\xff\xff\n")
    with pytest.raises(InputError, match="neither"):
        judge(path)


def test_lists_of_one_campaign_do_not_overlap(tmp_path: Path) -> None:
    one = write(tmp_path / "1.csv", HEADER + ",institution", ROW + ",", ROW.replace("C1", "C2") + ",另一家")
    two = write(tmp_path / "2.csv", HEADER, ROW)
    result = judge(one, two, institution=INSTITUTION)
    assert [row.case_id for row in rows(result)] == ["C1"]
    assert [(row.where, row.column) for row in result.rejected_rows()] == [
        (one, "institution"),
        (two, "case_id"),
    ]
