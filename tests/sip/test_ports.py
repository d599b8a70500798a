"""Ports of phones that start at the same time."""

from __future__ import annotations

import socket

import pytest

from sip.errors import PortBusy
from sip.ports import PortBlock, reserve, udp_port_is_free

IP = "127.0.0.1"


def spread(block: PortBlock) -> set[int]:
    return {block.sip_port, *range(block.rtp_port, block.rtp_port + block.rtp_count)}


def test_blocks_held_at_the_same_time_do_not_overlap() -> None:
    blocks = [reserve(IP, max_calls=calls) for calls in (4, 1, 20, 4, 4, 20)]
    taken: set[int] = set()
    for block in blocks:
        assert block.rtp_port % 2 == 0
        assert not taken & spread(block)
        taken |= spread(block)
    for block in blocks:
        block.release()
        block.release()


def test_a_given_port_is_kept_and_a_taken_one_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((IP, 0))
        port = other.getsockname()[1]
        assert not udp_port_is_free(IP, port)
        with pytest.raises(PortBusy, match=str(port)):
            reserve(IP, max_calls=4, sip_port=port)
    block = reserve(IP, max_calls=4, sip_port=port, rtp_port=40000)
    assert (block.sip_port, block.rtp_port) == (port, 40000)
    block.release()


def test_a_range_is_kept_and_a_full_one_is_named() -> None:
    first = reserve(IP, max_calls=4, within=(20000, 20200))
    second = reserve(IP, max_calls=4, within=(20000, 20200))
    assert all(20000 <= port <= 20200 for port in spread(first) | spread(second))
    with pytest.raises(PortBusy, match="between 20000 and 20200") as refused:
        reserve(IP, max_calls=4, within=(20000, 20200))
    assert "sip.ports" in str(refused.value)
    with pytest.raises(PortBusy):
        reserve(IP, max_calls=4, within=(20000, 20010))
    first.release()
    reserve(IP, max_calls=4, within=(20000, 20200)).release()
    second.release()


def test_a_block_that_ends_with_the_range_is_in_it() -> None:
    block = reserve(IP, max_calls=4, within=(20032, 20095))
    assert block.sip_port == 20032
    block.release()
