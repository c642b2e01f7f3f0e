"""The cache of keys, on a clock that the test winds: no source is asked more than it must be."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import SecretStr

from key_sources import Clock, Source
from safechat import ChatError, Key, KeyUnavailable, VaultAuthFailed, VaultSealed, VaultUnreachable
from safechat.keys import cache
from safechat.keys.cache import CacheState, Decision, after_read, decide
from safechat.log.events import listen, log_context, log_fields

FIRST, SECOND = (Key(SecretStr(f"sk-number-{number}-0000000000"), number) for number in (1, 2))
IN_HAND = CacheState(key=FIRST, read_at=0.0, fresh_until=300.0, stale_until=3900.0, refresh_from=50.0)
FAILED = CacheState(failure=VaultUnreachable("no connection"), failed_until=10.0)
DOWN = [VaultUnreachable("no connection"), VaultSealed("sealed")]


@pytest.mark.parametrize(
    ("state", "now", "not_version", "expected"),
    [
        (CacheState(), 0.0, None, "none"),
        (IN_HAND, 299.0, None, "fresh"),
        (IN_HAND, 300.0, None, "stale"),
        (IN_HAND, 3899.0, None, "stale"),
        (IN_HAND, 3900.0, None, "none"),
        (IN_HAND, 100.0, 1, "refused"),
        (IN_HAND, 400.0, 1, "refused"),
        (IN_HAND, 49.0, 1, "fresh"),
        (IN_HAND, 100.0, 2, "fresh"),
        (IN_HAND, 3900.0, 1, "none"),
        (FAILED, 9.0, None, "failed"),
        (FAILED, 10.0, None, "none"),
        (replace(IN_HAND, refresh_from=500.0), 400.0, None, "stale"),
        (replace(IN_HAND, refresh_from=500.0), 400.0, 1, "fresh"),
        (replace(IN_HAND, failure=FAILED.failure, failed_until=5000.0), 100.0, None, "fresh"),
        (replace(IN_HAND, failure=FAILED.failure, failed_until=5000.0), 4000.0, None, "failed"),
        (CacheState(failed_until=10.0), 9.0, None, "none"),
    ],
)
def test_what_is_served_depends_on_the_state_and_the_time_alone(
    state: CacheState, now: float, not_version: int | None, expected: Decision
) -> None:
    assert decide(state, now, not_version) == expected


def test_a_key_that_was_read_is_fresh_for_its_time_to_live_and_stale_for_an_hour_more() -> None:
    state = after_read(FAILED, SECOND, 1000.0, ttl=300.0)
    assert (state.key, state.failure, state.fresh_until, state.stale_until) == (SECOND, None, 1300.0, 4900.0)


@pytest.mark.parametrize("down", DOWN)
def test_a_source_that_is_down_leaves_the_key_and_is_asked_again_after_ten_seconds(down: ChatError) -> None:
    state = after_read(IN_HAND, down, 400.0, ttl=300.0)
    assert (state.key, state.fresh_until, state.stale_until) == (FIRST, 410.0, 3900.0)


@pytest.mark.parametrize("result", [VaultAuthFailed("denied"), KeyUnavailable("something else")])
def test_a_source_that_denies_the_key_takes_it_away(result: ChatError) -> None:
    state = after_read(IN_HAND, result, 400.0, ttl=300.0)
    assert (state.key, state.failure, state.failed_until) == (None, result, 401.0)


@pytest.mark.parametrize("down", DOWN)
def test_a_key_whose_hour_is_over_is_not_kept(down: ChatError) -> None:
    assert after_read(IN_HAND, down, 3900.0, ttl=300.0).key is None


async def test_a_key_is_read_once_and_again_when_its_time_is_over(keys: Source, clock: Clock) -> None:
    assert (await keys.get()).version == 1
    keys.answer = 2
    clock.now += 299
    assert (await keys.get()).version == 1
    clock.now += 2
    assert (await keys.get()).version == 2
    assert keys.reads == 2


@pytest.mark.parametrize(("dice", "fresh_for"), [(0.0, 270), (1.0, 330)])
async def test_the_time_is_a_tenth_more_or_less(dice: float, fresh_for: float, clock: Clock) -> None:
    keys = Source(clock, dice=dice)
    await keys.get()
    clock.now += fresh_for - 1
    await keys.get()
    assert keys.reads == 1
    clock.now += 2
    await keys.get()
    assert keys.reads == 2


async def test_a_thousand_who_wait_are_one_read(keys: Source) -> None:
    keys.gate.clear()
    waiting = [asyncio.create_task(keys.get()) for _ in range(1000)]
    await asyncio.sleep(0.01)
    keys.gate.set()
    assert {key.version for key in await asyncio.gather(*waiting)} == {1}
    assert keys.reads == 1


async def test_a_waiter_that_is_cancelled_harms_nobody(keys: Source) -> None:
    keys.gate.clear()
    first, second = asyncio.create_task(keys.get()), asyncio.create_task(keys.get())
    await asyncio.sleep(0.01)
    first.cancel()
    keys.gate.set()
    assert (await second).version == 1
    assert first.cancelled()
    assert keys.reads == 1


def test_threads_with_loops_of_their_own_share_a_read(keys: Source) -> None:
    keys.gate.clear()
    got: list[Key] = []
    threads = [threading.Thread(target=lambda: got.append(asyncio.run(keys.get()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    keys.gate.set()
    for thread in threads:
        thread.join(60)
    assert [key.version for key in got] == [1] * 8
    assert keys.reads == 1


async def test_a_read_that_is_denied_is_an_event_with_the_ids_of_the_call(
    keys: Source, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, object, object]] = []
    close = listen(lambda _, name, fields: seen.append((name, fields["kind"], log_fields().get("call_id"))))
    keys.answer = VaultAuthFailed("denied")
    try:
        with log_context(call_id="c1"), pytest.raises(VaultAuthFailed):
            await keys.get()
    finally:
        close()
    assert seen == [("keys.failed", "vault_auth_failed", "c1")]


@pytest.mark.parametrize("down", [VaultUnreachable("no connection"), VaultSealed("sealed")])
async def test_a_key_in_hand_outlives_a_source_that_is_down(
    down: ChatError, keys: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "safechat")
    await keys.get()
    keys.answer = down
    clock.now += 400
    assert (await keys.get()).version == 1
    assert [record.msg for record in caplog.records] == ["keys.stale"]
    assert caplog.records[0].__dict__["kind"] == down.kind
    assert (await keys.get()).version == 1
    assert keys.reads == 2  # not again at once
    clock.now += 11
    keys.answer = 2
    assert (await keys.get()).version == 2


async def test_a_key_in_hand_is_served_for_an_hour_past_its_time_at_most(keys: Source, clock: Clock) -> None:
    await keys.get()
    keys.answer = VaultUnreachable("no connection")
    clock.now += 300 + 3599
    assert (await keys.get()).version == 1
    clock.now += 2
    with pytest.raises(VaultUnreachable):
        await keys.get()


async def test_a_denial_is_an_error_and_never_the_key_in_hand(keys: Source, clock: Clock) -> None:
    await keys.get()
    keys.answer = VaultAuthFailed("denied")
    clock.now += 400
    for _ in range(2):
        with pytest.raises(VaultAuthFailed, match="denied"):
            await keys.get()


async def test_a_call_waits_for_a_source_that_hangs_only_until_its_patience_is_over(
    keys: Source, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.01)
    await keys.get()
    clock.now += 400
    keys.gate.clear()
    assert (await keys.get()).version == 1
    keys.gate.set()


async def test_a_source_that_hangs_delays_no_call_that_comes_after_the_first_ones_patience(
    keys: Source, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 25.0)
    await keys.get()
    clock.now += 400
    keys.gate.clear()
    waiting = asyncio.create_task(keys.get())
    await asyncio.sleep(0.01)
    clock.now += 25.0
    assert (await keys.get()).version == 1
    assert not waiting.done()
    keys.gate.set()
    assert (await waiting).version == 1


async def test_without_a_key_in_hand_a_source_that_hangs_is_an_error_in_time(clock: Clock) -> None:
    keys = Source(clock, longest_read=0.05)
    keys.gate.clear()
    with pytest.raises(VaultUnreachable, match=r"no whole answer within 0\.05 s"):
        await keys.get()
    keys.gate.set()


async def test_a_failure_is_everyones_for_a_second(keys: Source, clock: Clock) -> None:
    keys.answer = VaultUnreachable("no connection")
    for _ in range(5):
        with pytest.raises(VaultUnreachable):
            await keys.get()
    assert keys.reads == 1
    clock.now += 1.1
    keys.answer = 1
    assert (await keys.get()).version == 1


async def test_a_time_of_a_day_is_a_day(clock: Clock) -> None:
    keys = Source(clock, ttl=86400)
    await keys.get()
    clock.now += 25.000
    assert (await keys.get()).version == 1
    assert keys.reads == 1


async def test_a_source_that_hangs_again_and_again_holds_few_threads(clock: Clock) -> None:
    keys = Source(clock, longest_read=0.01)
    keys.gate.clear()
    for _ in range(6):
        with pytest.raises(KeyUnavailable):
            await keys.get()
        clock.now += 2
    assert keys.reads == 3
    keys.gate.set()


async def test_without_a_thread_to_read_in_the_key_in_hand_goes_on(
    keys: Source, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    await keys.get()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        clock.now += 400
        assert (await keys.get()).version == 1
        clock.now += 4000
        with pytest.raises(KeyUnavailable, match="start new thread"):
            await keys.get()
    assert (await keys.get()).version == 1


async def test_a_listener_that_fails_holds_no_key_back(
    keys: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(level: int, name: str, fields: Mapping[str, object]) -> None:
        raise LookupError(name)

    end = listen(broken)
    try:
        assert (await keys.get()).version == 1
        for thread in threading.enumerate():
            if thread.name == "safechat-keys":
                thread.join(60)
    finally:
        end()
    assert "keys.read was not logged: LookupError" in capsys.readouterr().err


async def test_a_refused_key_is_read_again_at_once(keys: Source) -> None:
    await keys.get()
    keys.answer = 2
    assert (await keys.get(not_version=1)).version == 2
    assert (await keys.get(not_version=1)).version == 2
    assert keys.reads == 2


async def test_a_refused_key_that_is_the_newest_is_not_read_again_for_a_while(
    keys: Source, clock: Clock
) -> None:
    await keys.get()
    for _ in range(100):
        assert (await keys.get(not_version=1)).version == 1
    assert keys.reads == 2
    clock.now += 6
    keys.answer = 2
    assert (await keys.get(not_version=1)).version == 2


async def test_without_a_refresh_interval_a_refused_key_is_read_once_for_each_call(clock: Clock) -> None:
    keys = Source(clock, refresh_interval=0.0)
    await keys.get()
    for reads in (2, 3):
        assert (await keys.get(not_version=1)).version == 1
        assert keys.reads == reads


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, KeyboardInterrupt])
async def test_whatever_else_a_source_raises_is_a_key_unavailable_without_secrets(
    kind: type[BaseException], keys: Source
) -> None:
    keys.answer = kind("Bearer abcdefghijklmnop")
    with pytest.raises(KeyUnavailable) as caught:
        await keys.get()
    assert "abcdefghijklmnop" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_key_does_not_show_itself() -> None:
    assert "sk-secret" not in repr(Key(SecretStr("sk-secret-1234567"), 1))
