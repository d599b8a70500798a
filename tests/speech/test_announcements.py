import pytest

from tests.speech.conftest import read_pcm
from voicebot.speech.announcements import AnnouncementKind, classify
from voicebot.speech.asr.whisper import WhisperEngine

SAID = {
    "您好，您拨打的电话已关机。": "powered_off",
    "对不起，您所拨打的电话已关机，请稍后再拨。": "powered_off",
    "您好，您拨打的号码是空号，请核对后再拨。": "empty_number",
    "您好,您拨打的号码是空好请何对后再拨": "empty_number",
    "您好，您拨打的电话正在通话中，请稍后再拨。": "busy",
    "您好，请不要挂机，您拨打的电话正在通话中。": "call_waiting",
    "您好，您拨打的电话暂时无法接通，请稍后再拨。": "unreachable",
    "对不起，您拨打的用户不在服务区，请稍后再拨。": "unreachable",
    "您好，您所拨打的号码已停机。": "suspended",
    "您好您所拨打的号码以停机": "suspended",
    "对不起，您拨打的用户已暂停服务。": "suspended",
    "对不起，您拨打的用户暂时无人接听，请稍后再拨。": "no_answer",
    "您好，我现在不方便接听电话，请在滴声后留言。": "voicemail",
    "您好，我是机主的智能助理，请问您有什么事吗？": "assistant",
    "您好,我是基主的智能助理。": "assistant",
    "您好，您拨打的用户已启用来电提醒业务，我们将用短信通知该用户。": "call_forward",
    "对不起，您拨打的号码有误，请查证后再拨。": "empty_number",
    "您好您拨打的": "generic",
    "您好您撥打的電話已關機": "powered_off",
    "您好您不打的电话与关机，稍后再多": "powered_off",
    "对不起您所拨叫的用户因欠费已停击": "suspended",
    "对不起您拨打的用户线路盲，请稍后再拨": "busy",
    "您好您胡椒的用户正在通话，请稍后再拨": "busy",
    "您拨打的电话无人应打，请稍后再拨": "no_answer",
    "电话暂时无人接听，请在滴声之后留言": "voicemail",
    "这里是海天公司的自动答录机，请留下您的姓名": "voicemail",
    "您好，机主设置了人工智能代接，请问您怎么称呼": "assistant",
    "你好，我是小艺，正在帮助我的主人接听电话": "assistant",
    "您好，通话即将由智能应答服务处理，请问您找机主有什么事": "assistant",
    "您拨打的用户正在通话，已为您提示对方，请不要挂断": "call_waiting",
    "Sorry, the subscriber you dialed is busy now": "busy",
    "Please leave a message after the tone": "voicemail",
    "喂您好，我是他的电话小助手他现在不方便，您可以跟我说": "assistant",
    "您好，对方正在使用来店带接服务,请说明您的身份和来店目的": "assistant",
    "您好，所呼吊的用户手机处于关机状态请您稍后再试": "powered_off",
    "您不打的用户没有应打,请您稍后再试": "no_answer",
    "您好,您拨打的号码已被停用。": "suspended",
    "您好您所播打的用户，正在使用电话，请稍后再拨": "busy",
    "号码格式错误,请查证后再拨": "empty_number",
}

PEOPLE = [
    "喂，你好。",
    "我手机快关机了",
    "我不是机主",
    "机主正是我",
    "机主在忙我代接的",
    "你好，我是他秘书，他现在不方便，请问您有什么事",
    "机主不在",
    "这个号码以前的机主不是我",
    "智能助理吗",
    "你是人工智能吧",
    "我问了一圈家里人都说不晓得这名",
    "我在开会你晚点再拨过来",
    "我是机主的老婆",
    "发短信给我就行",
    "我现在在开会，不方便说话。",
    "我的卡停机了",
    "我是他秘书",
    "这个号码是我刚换的，不认识这个人。",
    "他不在家，你晚点再打吧。",
    "你们不要再给我打电话了。",
    "你打错电话了",
    "我刚才在通话，没接到",
    "无法接受",
    "你发短信通知我",
    "我正在吃饭呢，你快点说。",
    "你说什么？",
    "我要转人工。",
]


@pytest.mark.parametrize(("text", "kind"), SAID.items())
def test_what_machines_say(text: str, kind: str) -> None:
    assert classify(text) is AnnouncementKind(kind)


@pytest.mark.parametrize("text", PEOPLE)
def test_people_are_no_machines(text: str) -> None:
    assert classify(text) is None


@pytest.mark.parametrize(
    ("sample", "kind"),
    [("ann_n_empty", "empty_number"), ("ann_n_off", "powered_off"), ("ann_n_vm", "voicemail")],
)
def test_recorded_announcements_from_their_first_seconds(
    whisper: WhisperEngine, sample: str, kind: str
) -> None:
    session = whisper.open("announcement", ())
    session.feed(read_pcm(sample)[: int(5.5 * 16000)])
    assert classify(session.decode().text) is AnnouncementKind(kind)


@pytest.mark.parametrize("sample", ["zm_yunxi_c006_alaw8k", "zm_yunxi_c054_alaw8k", "zf_xiaoxiao_c042_noisy"])
def test_the_announcement_prompt_does_not_make_a_machine_of_a_person(
    whisper: WhisperEngine, sample: str
) -> None:
    session = whisper.open("announcement", ())
    session.feed(read_pcm(sample))
    assert classify(session.decode().text) is None
