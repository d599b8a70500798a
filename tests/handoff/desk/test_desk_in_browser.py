"""The desk in a real browser while real calls run: SIP legs to a debtor and to agents' phones.

The pages are kept as pictures in the test's folder.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, async_playwright, expect

from sip.leg import Leg
from sip.softphone import PhoneSettings, Softphone
from tests.handoff.desk.browser import PASSWORD, until
from tests.handoff.desk.handed_over import HandedOver
from tests.handoff.desk.office import Office, agent_of
from tests.handoff.desk.run_in_town import RunInTown
from tests.handoff.paper_phone import tone
from tests.handoff.test_handoff_calls import AGENT_HZ, DEBTOR_HZ, hears
from tests.sip.far_end import FarEnd
from voicebot.call.handing_over import HandoverEnd
from voicebot.store.database import Store

pytestmark = pytest.mark.calls

HEARD_S = 1.2
"""The far end's files lag behind by half a second."""


class Town:
    """The desk, a run, the bot's phone, the far end with all other phones, and a browser."""

    def __init__(
        self, office: Office, run: RunInTown, phone: Softphone, far: FarEnd, chromium: Chromium
    ) -> None:
        self.office, self.run, self.phone, self.far, self.chromium = office, run, phone, far, chromium
        self.faults: list[str] = []

    async def page(self, member_id: str, width: int = 1366, scheme: Any = "light") -> Page:
        context = await self.chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        page = await context.new_page()
        page.on("console", lambda message: self.faults.append(message.text))
        page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        await page.goto(self.office.url)
        await page.get_by_label("工号").fill(member_id)
        await page.get_by_label("密码").fill(PASSWORD)
        await page.get_by_role("button", name="登录").click()
        await expect(page.locator("#line")).to_have_text("已连接")
        return page

    async def available(self, member_id: str, **look: Any) -> Page:
        page = await self.page(member_id, **look)
        await page.get_by_role("button", name="开始接听").click()
        await expect(page.locator("#presence")).to_have_text("空闲可接")
        return page

    async def debtor(self) -> tuple[Leg, int]:
        """A debtor whose call with the bot stands: our leg and theirs."""
        leg = await self.phone.dial(self.far.uri("debtor"))
        theirs = await self.far.answered()
        await asyncio.wait_for(asyncio.shield(leg.answered), 5)
        speech = tone(self.office.folder / "debtor.wav", DEBTOR_HZ, 1)
        await self.far.do("play", leg=theirs, wav=str(speech), loop=True)
        return leg, theirs

    async def hand_over(self, **more: Any) -> tuple[HandedOver, int]:
        await until(lambda: self.run.queue.seats("instalment").free > 0)
        leg, theirs = await self.debtor()
        return self.run.hand_over(self.phone, leg, **more), theirs

    async def rung(self, agent_id: str) -> int:
        """The far leg on which this agent's phone rings."""
        incoming = await self.far.event("incoming")
        assert f"sip:{agent_id}@" in incoming["headers"]["To"]
        leg: int = incoming["leg"]
        await self.far.do("answer", leg=leg, code=180)
        return leg

    async def answers(self, leg: int) -> None:
        await self.far.do("answer", leg=leg)
        speech = tone(self.office.folder / "agent.wav", AGENT_HZ, 1)
        await self.far.do("play", leg=leg, wav=str(speech), loop=True)

    async def picture(self, page: Page, name: str) -> None:
        await page.screenshot(path=self.office.folder / "pictures" / f"{name}.png", full_page=True)


@pytest.fixture
async def town(tmp_path: Path, store: Store) -> AsyncIterator[Town]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "these tests need Debian's package chromium"
    async with (
        FarEnd(tmp_path / "far") as far,
        Softphone(PhoneSettings()) as phone,
        async_playwright() as playwright,
    ):
        agents = [agent_of(name, far.uri(name)) for name in ("wang", "li")]
        office = Office(tmp_path, store, agents)
        for agent in agents:
            office.employ(agent.id)
        chromium = await playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        async with office:
            made = Town(office, await office.run(), phone, far, chromium)
            yield made
            await far.do("hangup_all")
            assert made.faults == []
        await chromium.close()


async def test_an_agent_takes_a_call_talks_reads_along_and_wraps_up(town: Town) -> None:
    page = await town.available("wang")
    tab = await page.context.new_page()
    await tab.goto(town.office.url)
    call, debtor = await town.hand_over()
    # The card is there while the phone rings, before any audio: masked, with the debtor's own words.
    phone = await town.rung("wang")
    await expect(page.locator("#card-title")).to_have_text("客户希望分期")
    await expect(page.locator("#card-state")).to_contain_text("话机振铃中")
    await expect(page.locator("#presence")).to_have_text("正在呼入")
    await expect(page.locator("#turns .debtor")).to_contain_text("想分期还")
    await expect(page.locator("#case-facts")).to_contain_text("138****5678")
    await expect(page.locator("#case-facts")).to_contain_text("承诺还款日 2026-03-10")
    await expect(page.locator("#rules li").first).to_be_visible()
    await expect(page.locator("#lines li").first).to_be_visible()
    await town.picture(page, "ringing")
    # Answered: briefed alone; accepted on the desk: both hear each other.
    await town.answers(phone)
    await expect(page.locator("#card-state")).to_contain_text("私密提示中")
    assert not hears(town.far.heard(phone), DEBTOR_HZ)
    await page.keyboard.press("F2")
    await expect(page.locator("#card-state")).to_contain_text("通话中")
    await expect(tab.locator("#card-state")).to_contain_text("通话中")
    mark = len(town.far.heard(phone)), len(town.far.heard(debtor))
    call.says("agent", "您每个月大概能拿出多少？")
    call.says("debtor", "五百左右。")
    await expect(page.locator("#turns li").last).to_contain_text("五百左右。")
    await asyncio.sleep(HEARD_S)
    assert hears(town.far.heard(phone)[mark[0] :], DEBTOR_HZ)
    assert hears(town.far.heard(debtor)[mark[1] :], AGENT_HZ)
    await page.get_by_role("button", name="显示姓名").click()
    await expect(page.locator("#revealed")).to_have_text("陈志明")
    await town.picture(page, "talking")
    # Hold: neither hears the other.
    await page.get_by_role("button", name="保持").click()
    await expect(page.locator("#card-state")).to_contain_text("客户保持中")
    await asyncio.sleep(HEARD_S)
    mark = len(town.far.heard(phone)), len(town.far.heard(debtor))
    await asyncio.sleep(0.5)
    assert not hears(town.far.heard(phone)[mark[0] :], DEBTOR_HZ)
    assert not hears(town.far.heard(debtor)[mark[1] :], AGENT_HZ)
    await page.get_by_role("button", name="恢复通话").click()
    # The end, from the other tab; the form must be filled in before the next call.
    await tab.get_by_role("button", name="结束通话").click()
    assert await asyncio.wait_for(call.ended, 5) is HandoverEnd.AGENT_HUNG_UP
    await expect(page.locator("#wrap")).to_be_visible()
    await expect(page.locator("#presence")).to_have_text("话后处理")
    await page.get_by_label("结果（必选）").select_option("PTP")
    await page.get_by_label("承诺还款日").fill("2026-03-10")
    await page.get_by_label("承诺金额（元）").fill("500.00")
    await town.picture(page, "form")
    await page.get_by_role("button", name="提交").click()
    await expect(page.locator("#presence")).to_have_text("空闲可接")
    await expect(page.locator("#today tbody tr")).to_contain_text("承诺还款")
    await expect(tab.locator("#wrap")).to_be_hidden()
    await call.debtor.hangup()


async def test_declined_then_the_second_agent_then_the_debtor_hangs_up_while_it_rings(town: Town) -> None:
    wang, li = await town.available("wang", scheme="dark"), await town.available("li", width=400)
    call, debtor = await town.hand_over()
    await town.rung("wang")
    await wang.get_by_role("button", name="拒接").click()
    await expect(wang.locator("#notice")).to_have_text("您已拒接。")
    await town.rung("li")
    await expect(li.locator("#card-title")).to_be_visible()
    assert await li.evaluate("document.documentElement.scrollWidth") <= 400
    await town.picture(li, "narrow")
    await town.far.do("hangup", leg=debtor)
    assert await asyncio.wait_for(call.ended, 5) is HandoverEnd.ABANDONED
    await expect(li.locator("#notice")).to_have_text("客户已挂机，来电取消。")
    await expect(li.locator("#card")).to_be_hidden()
    await town.picture(wang, "dark")
    # A lost line comes back by itself; a session that has ended leads to the login.
    await li.context.set_offline(True)
    await li.evaluate("0")
    await li.context.set_offline(False)
    await expect(li.locator("#line")).to_have_text("已连接")
    town.office.clock.advance(1801)
    await expect(wang).to_have_url(f"{town.office.url}/login")
    await expect(li).to_have_url(f"{town.office.url}/login")
