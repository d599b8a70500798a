"""One way of writing what was heard, for the utterance bank at build time and for speech at run time.

Runs in both environments (Python 3.10 and later) and needs no library.
"""

from __future__ import annotations

import re
import unicodedata

_NOT_SPOKEN = re.compile(r"[\W_]+")


def spoken(text: str) -> str:
    """`text` without punctuation, spaces and case: recognisers differ in these and none of them is heard.

    A leading "/" goes too, so speech can never be taken for one of Rasa's intent commands.
    """
    return _NOT_SPOKEN.sub("", unicodedata.normalize("NFKC", text)).lower()
