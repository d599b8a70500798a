"""Lists as spreadsheets and people write them: XLSX, broken quotes, Chinese headers; in little memory."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.campaign.paper_lists import line, write_list
from voicebot.campaign.campaign_lists import CampaignLists
from voicebot.campaign.contact_list import ListRow
from voicebot.campaign.list_columns import COLUMNS, SYNONYMS
from voicebot.campaign.table_file import TableFile
from voicebot.errors import InputError

NEEDED = ["case_id", "debtor_id", "name", "phone", "amount_due"]


def judge(*paths: Path) -> CampaignLists:
    return CampaignLists.judge(paths)


def rows_of(lists: CampaignLists) -> list[ListRow]:
    return [row for points in lists.groups() for row in points]


def bad(lists: CampaignLists) -> list[tuple[int, str, str]]:
    return [(row.line, row.column, row.cell) for row in lists.rejected_rows()]


def workbook(path: Path, *rows: list[Any]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


# ---- XLSX ----


def test_a_workbook_with_numbers_texts_and_dates(tmp_path: Path) -> None:
    header = [*NEEDED, "due_date", "as_of", "overdue_days", "loan_last4", "备注"]
    path = workbook(
        tmp_path / "l.xlsx",
        header,
        [
            1001,
            "P-1",
            "张伟",
            13812341234,
            520.1 + 0.3,
            date(2026, 3, 1),
            datetime(2026, 3, 2, 10, 14),
            3,
            "0042",
            "x",
        ],
        ["A-2", 7, "李敏", "010-88881234", "1,280.00", "2026-03-01", None, None, None, None],
        [],
    )
    first, second = rows_of(judge(path))
    assert (first.case_id, first.phone, first.amount_due) == ("1001", "+8613812341234", 52040)
    assert (first.due_date, first.as_of) == (date(2026, 3, 1), datetime(2026, 3, 2, 10, 14))
    assert (first.overdue_days, first.loan_last4, dict(first.notes)) == (3, "0042", {"备注": "x"})
    assert (second.debtor_id, second.phone, second.amount_due) == ("7", "+861088881234", 128000)


@pytest.mark.parametrize(
    ("cells", "column", "cell"),
    [
        (["A", "P", "张伟", 2160000001, 1], "phone", "D2"),  # 021-60000001 without its zero
        (["A", "P", "张伟", 75566666666, 1], "phone", "D2"),  # 0755-66666666 without its zero
        (["A", "P", "张伟", "1.38E+10", 1], "phone", "D2"),
        (["A", "P", "张伟", 1.38123e10 + 0.5, 1], "phone", "D2"),
        ([1234567890123456789, "P", "张伟", 13812341234, 1], "case_id", "A2"),  # digits are lost
        (["A", "P", "张伟", 13812341234, 0.305], "amount_due", "E2"),
        (["A", "P", "#N/A", 13812341234, 1], "name", "C2"),
        (["A", "P", "张\n伟", 13812341234, 1], "name", "C2"),
        (["A", None, "张伟", 13812341234, 1], "debtor_id", "B2"),
    ],
)
def test_what_a_spreadsheet_spoilt_is_refused_with_its_cell(
    tmp_path: Path, cells: list[Any], column: str, cell: str
) -> None:
    lists = judge(workbook(tmp_path / "l.xlsx", NEEDED, cells))
    assert (lists.rows, bad(lists)) == (0, [(2, column, cell)])


def test_a_name_says_nothing_of_what_a_file_is(tmp_path: Path) -> None:
    path = workbook(tmp_path / "l.xlsx", NEEDED, ["A", "P", "张伟", 13812341234, 1]).rename(
        tmp_path / "l.csv"
    )
    assert judge(path).rows == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old .xls file, or a workbook with a password"),
        (b"PK\x03\x04 no workbook", "no XLSX workbook"),
        ("案件编号,姓名\n".encode("utf-16-le"), "neither UTF-8 nor GBK"),
        (b"caf\xe9,\xff\xff\n", "neither UTF-8 nor GBK"),
        (b",,\nA,P,x,13812341234,1\n", "the first row is empty"),
    ],
)
def test_files_that_are_no_lists(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "l.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as fault:
        judge(path)
    assert fault.value.where == path and fault.value.do


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            judge(path)


def test_only_a_header(tmp_path: Path) -> None:
    full, empty = write_list(tmp_path / "f.csv", [line(1)]), write_list(tmp_path / "l.csv", [])
    for paths in ((empty,), (full, empty), (empty, full)):
        with pytest.raises(InputError, match=r"l\.csv:1: there is no row below the header"):
            judge(*paths)


# ---- headers ----


@pytest.mark.parametrize("synonyms", [0, 1, -1])
def test_chinese_and_other_names_of_columns(tmp_path: Path, synonyms: int) -> None:
    header = ",".join(SYNONYMS[name][synonyms] for name in NEEDED)
    path = tmp_path / "l.csv"
    path.write_text(f"{header},身份\nA,P,张伟,13812341234,1,本人\nA,P,李敏,13900000000,1,联系人\n", "gbk")
    assert [(row.party, row.name) for row in rows_of(judge(path))] == [
        ("debtor", "张伟"),
        ("contact", "李敏"),
    ]


def test_no_synonym_stands_for_two_columns() -> None:
    every = [synonym for synonyms in SYNONYMS.values() for synonym in synonyms]
    assert len(every) == len(set(every)) and not set(every) & set(COLUMNS) and set(SYNONYMS) <= set(COLUMNS)


def test_spelling_of_headers(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(" Case ID ,debtor-id,ＮＡＭＥ,Phone,Amount_Due\nA,P,张伟,13812341234,1\n")
    assert judge(path).rows == 1
    path.write_text("case_id,案件编号,debtor_id,name,phone,amount_due\n")
    with pytest.raises(InputError, match="'case_id' is there twice"):
        judge(path)
    path.write_text("case_id,debtor_id,name,phnoe,amount_due\n")
    with pytest.raises(InputError, match=r"phone \(手机\) is missing.*Is it 'phnoe'\?"):
        judge(path)


# ---- quotes ----


def test_a_broken_quote_costs_its_row_only(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    rows = [line(n) for n in range(1, 9)]
    rows[2] = rows[2].replace("张伟", '"张伟')  # never closed: it would swallow all rows behind it
    rows[5] = rows[5].replace("张伟", '"张"伟')
    lists = judge(write_list(path, rows))
    assert [row.case_id for row in rows_of(lists)] == ["C-1", "C-2", "C-4", "C-5", "C-7", "C-8"]
    assert bad(lists) == [(4, "row", ""), (7, "row", "")]
    assert "quote" in lists.reasons()[0].reason and lists.reasons()[0].count == 2
    (written,) = lists.write_rejected(tmp_path)
    with written.open(encoding="utf-8-sig", newline="") as text:
        assert [row["case_id"] for row in csv.DictReader(text)] == [rows[2], rows[5]], "the line as it stands"


def test_lines_and_cells_after_a_cell_with_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    with path.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow([*NEEDED, "remark"])
        writer.writerow(["A", "P", "张伟", "13812341234", "1", "one\ntwo\r\nthree"])
        writer.writerow(["B", "Q", "李敏", "138", "1", ""])
    assert bad(judge(path)) == [(5, "phone", "D3")], "the line of an editor, the cell of a spreadsheet"


def test_a_comma_too_many_shifts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(",".join(NEEDED) + "\nA,P,张伟,13812341234,1,280.00\nB,Q,李敏,13900000000,1,,,\n")
    lists = judge(path)
    assert [row.case_id for row in rows_of(lists)] == ["B"] and bad(lists) == [(2, "row", "")]


def test_lists_of_one_name_have_files_of_their_own(tmp_path: Path) -> None:
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(write_list(tmp_path / folder / "l.csv", [line(1, case_id=folder, phone="1")]))
    written = judge(*paths).write_rejected(tmp_path)
    assert [path.name for path in written] == ["l-1.rejected.csv", "l-2.rejected.csv"]
    assert [",a," in path.read_text("utf-8-sig") for path in written] == [True, False]


# ---- cases of several rows, in any order ----


def test_rows_of_a_case_may_lie_apart(tmp_path: Path) -> None:
    rows = [
        line(1, party="contact", name="李敏", phone="13900000001"),
        line(2),
        line(1),
        line(3),
        line(1, phone="13900000009"),
    ]
    lists = judge(write_list(tmp_path / "l.csv", rows))
    assert [[(row.case_id, row.party) for row in points] for points in lists.groups()] == [
        [("C-2", "debtor")],
        [("C-3", "debtor")],
        [("C-1", "debtor"), ("C-1", "debtor"), ("C-1", "contact")],
    ]
    assert [points[0].case_id for points in lists.groups(skip=2)] == ["C-1"]
    assert [points[0].case_id for points in lists.find("", "+8613900000001")] == ["C-1"]


def test_source_and_evidence_belong_to_each_number(tmp_path: Path) -> None:
    other = line(1, phone="13900000009", phone_source="call_recorded_consent", phone_evidence="rec-7@83200")
    (points,) = judge(write_list(tmp_path / "l.csv", [line(1), other])).groups()
    assert [(row.phone_source, row.phone_evidence) for row in points] == [
        ("contract", "HT-1"),
        ("call_recorded_consent", "rec-7@83200"),
    ]


# ---- plans and promises ----

PLAN = "plan_count,plan_amount,plan_first_date,plan_total"


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("3,100.00,2026-04-01,300.00,plan_approved", None),
        (",,,,", None),
        ("3,,2026-04-01,300.00,", "plan_amount"),
        (",,,,plan_approved", "plan_count"),
        ("drei,100.00,2026-04-01,300.00,", "plan_count"),
    ],
)
def test_a_plan_is_whole_or_not_there(tmp_path: Path, cells: str, column: str | None) -> None:
    path = tmp_path / "l.csv"
    path.write_text(f"{','.join(NEEDED)},{PLAN},flags\nA,P,张伟,13812341234,1,{cells}\n")
    lists = judge(path)
    assert [row.column for row in lists.rejected_rows()] == ([column] if column else [])


# ---- whatever people write ----

CELL = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="#\ufeff\u2028\u2029\x85"),
    max_size=12,
)
IDS = st.text(st.characters(categories=["Lu", "Nd"], max_codepoint=0x7F), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        CELL.filter(lambda text: text.strip() and text.strip().isprintable()), min_size=1, max_size=6
    ),
    remarks=st.lists(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    ending=st.sampled_from(["\r\n", "\n"]),
)
def test_what_was_written_is_read(
    tmp_path: Path, names: list[str], remarks: list[str], encoding: str, delimiter: str, ending: str
) -> None:
    """Through any encoding, separator and quoting that Python's own writer makes."""
    text = io.StringIO()
    # A lone carriage return is a line break in any CSV file; Python quotes it only beside its own kind.
    quoting = csv.QUOTE_MINIMAL if ending == "\r\n" else csv.QUOTE_ALL
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerow([*NEEDED, "姓名备注"])
    remarks = (remarks + [""] * len(names))[: len(names)]
    for number, (name, remark) in enumerate(zip(names, remarks, strict=True)):
        writer.writerow([f"C{number}", f"P{number}", name, f"1380000{number:04d}", "1", remark])
    path = tmp_path / "l.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    found = rows_of(judge(path))
    assert [row.name for row in found] == [name.strip() for name in names]
    kept = [remark.strip() for remark in remarks]
    assert [row.notes.get("姓名备注", "") for row in found] == kept


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_no_file_breaks_the_reader(tmp_path: Path, data: bytes) -> None:
    """Anything behind a good header is rows, good or named; nothing is dropped in silence."""
    path = tmp_path / "l.csv"
    path.write_bytes(",".join(NEEDED).encode() + b"\n" + data)
    try:
        lists = judge(path)
    except InputError as fault:
        assert str(path) in str(fault)
        return
    assert lists.rows + lists.rejected == sum(1 for _ in TableFile.open(path).records())
    assert sum(len(points) for points in lists.groups()) == lists.rows
    for path_written in lists.write_rejected(tmp_path):
        with path_written.open(encoding="utf-8-sig", newline="") as text:
            assert sum(1 for _ in csv.reader(text)) == lists.rejected + 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 4), st.integers(1, 2), st.sampled_from(["debtor", "contact"]), st.integers(1, 4)
        ),
        min_size=1,
        max_size=14,
    )
)
def test_cases_are_judged_as_one_by_one(tmp_path: Path, rows: list[tuple[int, int, str, int]]) -> None:
    """The judgement on arrays of hashes is the plain one, row by row."""
    text = [
        line(case, debtor_id=f"P-{case}-{debtor}", party=party, phone=f"1390000000{phone}")
        for case, debtor, party, phone in rows
    ]
    good: list[int] = []
    points: set[tuple[int, str, int]] = set()
    debtors: dict[int, int] = {}
    fresh = []
    for number, (case, debtor, party, phone) in enumerate(rows):
        if (case, party, phone) not in points:
            points.add((case, party, phone))
            fresh.append((number, case, debtor, party))
    for number, case, debtor, _party in fresh:
        if debtors.setdefault(case, debtor) == debtor:
            good.append(number)
    owned = {rows[number][0] for number in good if rows[number][2] == "debtor"}
    expected = [number for number in good if rows[number][0] in owned]
    lists = judge(write_list(tmp_path / "l.csv", text))
    assert sorted(row.line - 2 for row in rows_of(lists)) == expected
    assert lists.cases == len({rows[number][0] for number in expected})


# ---- memory ----

MEASURE = """
import json, resource, sys
from pathlib import Path
from voicebot.campaign.campaign_lists import CampaignLists
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
lists = CampaignLists.judge([Path(sys.argv[1])])
cases = sum(1 for _ in lists.groups())
print(json.dumps({"cases": cases, "grown_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}))
"""


def test_a_long_list_is_read_in_little_memory(tmp_path: Path) -> None:
    """30,000 rows grow a fresh process by less than they would take as rows, let alone as objects."""
    path = write_list(tmp_path / "l.csv", map(line, range(30_000)))
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    found = json.loads(out.stdout)
    assert found["cases"] == 30_000
    assert found["grown_kb"] < 15_000
