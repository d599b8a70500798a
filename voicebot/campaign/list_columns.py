"""The columns of a list, and the names that people give them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.campaign.table_file import check_unique
from voicebot.errors import InputError

REQUIRED = ("case_id", "debtor_id", "name", "phone", "amount_due")
OPTIONAL = (
    "party",
    "phone_source",
    "phone_evidence",
    "id_tail",
    "institution",
    "agency",
    "product",
    "principal",
    "interest",
    "penalty",
    "due_date",
    "overdue_days",
    "loan_last4",
    "as_of",
    "language",
    "flags",
    "payoff_amount",
    "plan_count",
    "plan_amount",
    "plan_first_date",
    "plan_total",
    "plan_alt_count",
    "plan_alt_amount",
    "plan_alt_first_date",
    "plan_alt_total",
    "last_promise",
)
COLUMNS = (*REQUIRED, *OPTIONAL)
REJECTED_COLUMNS = ("rejected_line", "rejected_column", "rejected_reason")
"""What NAME.rejected.csv has in front of the row's own cells; ignored when a mended one is read again."""
SYNONYMS = {
    "case_id": (
        "案件编号",
        "案件号",
        "案号",
        "合同编号",
        "合同号",
        "借据号",
        "case",
        "case_no",
        "contract_no",
    ),
    "debtor_id": ("客户编号", "客户号", "债务人编号", "debtor", "customer_id", "client_id"),
    "name": ("姓名", "客户姓名", "联系人姓名", "full_name", "customer_name"),
    "phone": (
        "手机",
        "手机号",
        "手机号码",
        "电话",
        "电话号码",
        "联系电话",
        "号码",
        "mobile",
        "phone_number",
        "tel",
    ),
    "amount_due": ("应还金额", "应还款金额", "欠款金额", "逾期金额", "待还金额", "amount", "due_amount"),
    "party": ("身份", "关系", "与债务人关系", "联系人类型", "relation", "role"),
    "phone_source": ("号码来源", "电话来源", "联系方式来源"),
    "phone_evidence": ("号码凭证", "来源凭证", "凭证编号", "来源凭证编号"),
    "id_tail": ("身份证后四位", "证件后四位", "身份证尾号", "证件尾号"),
    "institution": ("机构", "金融机构", "债权人", "委托方"),
    "agency": ("催收机构", "委外机构", "外包机构", "受托机构"),
    "product": ("产品", "产品名称", "贷款产品"),
    "principal": ("本金", "应还本金"),
    "interest": ("利息", "应还利息"),
    "penalty": ("罚息", "违约金", "滞纳金"),
    "due_date": ("到期日", "还款日", "应还日期", "还款日期"),
    "overdue_days": ("逾期天数", "逾期日数", "dpd"),
    "loan_last4": ("贷款尾号", "借据尾号", "账户尾号", "卡尾号"),
    "as_of": ("数据时间", "截至时间", "数据截至时间"),
    "language": ("语言", "语种"),
    "flags": ("标记", "标签"),
    "payoff_amount": ("一次结清金额", "结清金额"),
    "last_promise": ("上次承诺日期",),
}
_NAMES = {name: name for name in COLUMNS} | {
    synonym: name for name, synonyms in SYNONYMS.items() for synonym in synonyms
}


@dataclass(frozen=True)
class Header:
    """Where each column stands: `places` by our name, `notes` by the list's own."""

    width: int
    places: dict[str, int]
    notes: dict[str, int]

    @classmethod
    def of(cls, cells: Sequence[str], path: Path) -> Header:
        """InputError when a column that is needed is missing, or one is there twice."""
        known = [_NAMES.get(_plain(cell), "") for cell in cells]
        check_unique([name or cell for name, cell in zip(known, cells, strict=True)], path)
        places = {name: number for number, name in enumerate(known) if name}
        notes = {
            cell: number
            for number, (name, cell) in enumerate(zip(known, cells, strict=True))
            if cell and not name and cell not in REJECTED_COLUMNS
        }
        for name in REQUIRED:
            if name not in places:
                raise _missing(name, cells, path)
        return cls(len(cells), places, notes)


def _plain(cell: str) -> str:
    return re.sub(r"[\s\-]+", "_", unicodedata.normalize("NFKC", cell).strip().lower())


def _missing(name: str, cells: Sequence[str], path: Path) -> InputError:
    words = f"{name} ({SYNONYMS[name][0]})"
    near = difflib.get_close_matches(name, [_plain(cell) for cell in cells if _plain(cell) not in _NAMES], 1)
    hint = f"Is it {near[0]!r}? " if near else ""
    needed = ", ".join(REQUIRED)
    return InputError(f"the column {words} is missing", f"{hint}Needed: {needed}.", path, 1, name)
