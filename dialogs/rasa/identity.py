"""Whether words say "I am the person you asked for": the second key of the identity gate.

The classifier is the first.  It guesses, and words near to a confirmation are often none (我是他爸, 不是本人,
你说的是我吗).  So the whole utterance must be made of words that confirm, greet, or ask the caller to go on;
one word more, and the callee is asked again.  A name alone confirms nothing: nobody here knows the name that
was asked for, and a namesake's father says it too.
"""

from __future__ import annotations

import re

LONGEST = 24
"""Who says more than this says more than a confirmation."""

_SAID_ALIKE = (
    ("系", "是"),
    ("俺", "我"),
    ("咱", "我"),
    ("阿拉", "我"),
    ("您", "你"),
    ("们", ""),
    ("她", "他"),
)
"""Dialects and polite forms; applied in order."""
_SOFT_ENDING = re.compile("(?<!我)儿")
"""The r of 哪儿, 事儿; 我儿 is a son."""
_AIR = "[啊呀哈呢嘛哦噢哟喔咯撒噻嗯呐诶哎额呃昂欸唉喂哼滴哒嘞呗]*"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚"
    "卢姜崔钟谭陆汪范金石廖贾夏韦付邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤"
)
_NO_NAME = (
    "马上|马夫|周[一二三四五六日末]|高兴|高手|曾经|曾?孙[子女媳婿辈]|何[人方时事]|万[人一]|金主|石头|史官|钱[庄包]|白[天痴]"
    "|.?(?:老师|经理|主任|师傅|老板|先生|女士|小姐|总|医生|家|秘书|护士|护理|大夫|会计|律师|警官|警察|法官|保姆|司机|助理|同学|同事"
    "|邻居|房东|房客|中介|管家|主管|教练|教授|保安|门卫|导员|编辑|记者|客服|前台|干部|书记|领导|局|处|科|大妈|大婶|老太|老头)"
)
_KIN = "爸妈爹娘哥姐弟妹嫂叔伯姨舅婶姑爷奶婆媳妻夫婿孙儿长员工师"
"""张伟爸, 李队长: who ends like this is somebody's, or something; a name that does is asked for again."""
_NAME = f"(?!{_NO_NAME})[{_SURNAMES}][^{_AIR[1:-2]}{_KIN}的他你我不是吗吧了在]{{1,2}}"
_BEFORE = (
    "你好|好|行|那个|不错|在|在的|在听|我在|我在听|确实|请问|确认|确定|我确定|我?可以确认|肯定|姓?名字?(?:没错|对的)"
    "|不用找了"
)
_STRONG = (
    f"(?:我|我?就)?是(?:他|机主)?本人|我?本人(?!是[^我])(?:在|在听)?|本人在?接的?(?:电话)?|我?是机主(?:本人)?|正是(?:我|本人|在下)?"
    f"|我就是(?:你?要?(?:找|说|叫|喊)的那?个?(?:人|{_NAME})?)?|你?要?(?:找|说|叫|喊)的(?:人)?就是我|就是我|是我|我是(?!谁|哪|什么|啥)|本尊|可不就是我"
    f"|我就是(?:他|机主|{_NAME})(?:本人)?|{_NAME}(?:就|本人)?是我(?:本人)?|(?:就是|是|正是)(?:在下|鄙人)|(?:在下|鄙人|我)[就便]是|机主[就正]?是我"
    "|你?没(?:有)?(?:打|找|搞|弄|认)错人?|你?找对人?了|是的|对的|没错|对头"
)
_YES = "是的|是(?![嘛哦噢]$)|对的|对头|对(?!是对$)|没错|没有错|正确"
_ASKING = (
    "(?:你|请|你请)(?:继续|接着|尽管|往下)?(?:讲|说)(?:吧|就是了?|就行了?|一下|慢点|大声点)?|(?:讲|说)吧|你?继续"
    "|有[话事](?:你|请|就)?直?(?:讲|说)(?:事)?|(?:你)?(?:找我)?有?(?:什么|啥|啥子|么|咩)(?:事情?|情况)(?:吗|你?(?:讲|说))?"
    "|(?:你)?(?:找我)?有事情?吗?|怎么了|怎么啦|咋了|咋啦|咋整|怎么说|有什么需要"
    "|你?(?:那边|这边)?(?:是)?(?:哪位|哪个|哪里|谁|哪里的|哪的|哪家|干什么的|哪个单位的?|哪里打来的)"
    "|你?找我(?:干嘛|干啥|做什么)|你是(?:银行|客服|快递)的?吧?|怎么称呼你?"
    "|信号不太?好|听得到|听得见|刚才没听清|稍等|等一下|刚睡醒"
)
_PIECES = {"b": _BEFORE, "s": _STRONG, "y": _YES, "a": _ASKING, "n": f"我(?:就)?(?:是|叫){_NAME}"}


def _run(kinds: str, least: int) -> str:
    """At least so many pieces of these kinds, with air after each."""
    return f"(?:(?:{'|'.join(_PIECES[kind] for kind in kinds)}){_AIR}){{{least},}}"


_PLAIN = re.compile(_AIR + _run("b", 0) + _run("y", 1) + _run("by", 0) + f"(?:(?:你|请)(?:讲|说)吧?{_AIR})*")
"""A yes to the question, and nothing more than "go on": 是哪位 and 是什么事 are no yes."""
_CLEAR = re.compile(
    _AIR + f"(?:(?:讲|说)吧{_AIR})?" + _run("by", 0) + _run("s", 1) + _run("bsy", 0) + _run("bsya", 0)
)
_NAMED = re.compile(_AIR + _run("b", 0) + _run("y", 1) + _run("by", 0) + _run("n", 1) + _run("sa", 0))
"""A yes, and the name."""


def confirms(text: str) -> bool:
    """`text` as wording.spoken gives it."""
    if len(text) > LONGEST:
        return False
    for said, meant in _SAID_ALIKE:
        text = text.replace(said, meant)
    text = _SOFT_ENDING.sub("", text)
    return any(form.fullmatch(text) for form in (_PLAIN, _CLEAR, _NAMED))
