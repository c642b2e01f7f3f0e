"""The classroom's servers are real, behave as they are asked to, and never outlive whoever started them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hvac
import nbformat
import openai
import pytest
from nbclient import NotebookClient

from odev.classroom import bao
from odev.classroom import room as room_module
from odev.classroom.api import ClassroomAPI
from odev.classroom.faults import Fault
from odev.classroom.rate import Rate
from odev.classroom.room import Classroom, start
from odev.classroom.vault import KEY_FIELD, KEY_PATH, POLICY, VaultServer, set_up
from real_service import real_service
from safechat import ChatClientWrapper, ConnectionFailed, MalformedReply, RequestTimedOut, RetryPolicy


@pytest.fixture(scope="module")
def room() -> Iterator[Classroom]:
    with Classroom() as classroom:
        yield classroom


@pytest.fixture
def api(room: Classroom) -> ClassroomAPI:
    room.api.reset()
    return room.api


@pytest.fixture
def chat(api: ClassroomAPI) -> Iterator[ChatClientWrapper]:
    client = openai.AsyncOpenAI(base_url=api.base_url, api_key=api.key)
    with ChatClientWrapper(client, timeout=1, retry=RetryPolicy(attempts=1)) as wrapper:
        yield wrapper


def create(api: ClassroomAPI, **arguments: object) -> object:
    client = openai.OpenAI(base_url=api.base_url, api_key=api.key, max_retries=0)
    messages = [{"role": "user", "content": "Merhaba"}]
    return client.chat.completions.create(messages=messages, **arguments)  # type: ignore[call-overload]


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5", "gpt-6.1-terra", "o3", "o4-mini"])
def test_reasoning_models_refuse_a_temperature_as_the_real_api_does(api: ClassroomAPI, model: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        create(api, model=model, temperature=0.7)
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "temperature")
    assert create(api, model=model, temperature=1)
    assert create(api, model="gpt-4o", temperature=0.7)


def test_reasoning_models_refuse_max_tokens_by_its_old_name(api: ClassroomAPI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        create(api, model="gpt-5-mini", max_tokens=5)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "max_tokens")


def models(api: ClassroomAPI) -> dict[str, object]:
    """The models that it lists, with the day of their shutdown."""
    listed = openai.OpenAI(base_url=api.base_url, api_key=api.key).models.list()
    return {model.id: model.to_dict()["shutdown_date"] for model in listed}


def test_the_list_of_models_gives_the_day_of_their_shutdown(api: ClassroomAPI) -> None:
    assert models(api)["gpt-5-mini"] == "2026-12-11"
    assert models(api)["gpt-6.1-terra"] is None


def test_a_model_is_served_until_the_day_of_its_shutdown(api: ClassroomAPI) -> None:
    api.settings(today="2026-12-10")
    assert create(api, model="gpt-5-mini")
    api.settings(today="2026-12-11")
    with pytest.raises(openai.NotFoundError, match="`gpt-5-mini` has been deprecated") as caught:
        create(api, model="gpt-5-mini")
    assert caught.value.code == "model_not_found"
    assert "gpt-5-mini" not in models(api)
    assert create(api, model="gpt-6.1-terra")


def test_a_reset_brings_the_models_back(api: ClassroomAPI) -> None:
    before = models(api)
    api.settings(today="2027-01-01", shutdown_dates={"gpt-6.1-terra": "2027-01-01"})
    assert models(api) != before
    api.reset()
    assert models(api) == before


def test_a_wrong_key_is_a_401_that_does_not_show_it(api: ClassroomAPI) -> None:
    client = openai.OpenAI(base_url=api.base_url, api_key="sk-0123456789abcdefghij")
    with pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "invalid_api_key"
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("answer"), MalformedReply),
        (Fault("answer", body="[]", content_type="application/json"), MalformedReply),
        (Fault("cut"), ConnectionFailed),
        (Fault("drip", seconds=0.2), RequestTimedOut),
        (Fault("hang"), RequestTimedOut),
    ],
    ids=lambda fault: fault.kind if isinstance(fault, Fault) else "",
)
def test_a_fault_is_met_once_and_counted(
    api: ClassroomAPI, chat: ChatClientWrapper, fault: Fault, expected: type[Exception]
) -> None:
    api.fault(fault)
    with pytest.raises(expected):
        chat.generate("Merhaba")
    assert chat.generate("Merhaba").request_id is not None
    assert [request["fault"] for request in api.requests()] == [fault.kind, None]


def test_the_responses_api_has_the_same_faults_and_refusals(api: ClassroomAPI) -> None:
    client = openai.OpenAI(base_url=api.base_url, api_key=api.key)
    with ChatClientWrapper(client, model="gpt-5-mini", retry=RetryPolicy(base=0.01), api="responses") as chat:
        api.fault(Fault("answer"))
        reply = chat.generate("Merhaba", temperature=0.7)
        assert "".join(chat.stream("Selam", temperature=0.7))
    assert (reply.api, reply.attempts) == ("responses", 2)
    seen = [(request["prompt"], request["status"], request["fault"]) for request in api.requests()]
    assert seen == [
        ("Merhaba", 200, "answer"),
        ("Merhaba", 400, None),
        ("Merhaba", 200, None),
        ("Selam", 200, None),
    ]


def test_llmocks_own_behaviours_can_be_scripted(api: ClassroomAPI, chat: ChatClientWrapper) -> None:
    api.behave("reply", text="Selam!")
    assert chat.generate("Merhaba").text == "Selam!"


def test_what_is_over_the_limit_of_a_second_is_a_429_that_says_how_long_to_wait(api: ClassroomAPI) -> None:
    api.settings(requests_per_second=0.5)  # never a whole request, however slow this machine is
    with pytest.raises(openai.RateLimitError) as caught:
        create(api, model="gpt-5-mini")
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "1"
    assert [request["status"] for request in api.requests()] == [429]
    api.settings(requests_per_second=None)
    assert create(api, model="gpt-5-mini")


def test_a_reset_takes_the_limit_of_a_second_away(api: ClassroomAPI) -> None:
    api.settings(requests_per_second=0.5)
    api.reset()
    assert create(api, model="gpt-5-mini")


def test_a_limit_of_a_second_begins_full_and_fills_evenly() -> None:
    now = 100.0
    rate = Rate(10, lambda: now)
    assert [rate.take() for _ in range(10)] == [0.0] * 10
    assert rate.take() == pytest.approx(0.1)
    now += 0.35
    assert [rate.take() > 0 for _ in range(4)] == [False, False, False, True]
    now += 60
    assert [rate.take() > 0 for _ in range(11)] == [False] * 10 + [True]
    rate.refill()
    assert rate.take() == 0.0


def test_a_block_begins_with_all_room_under_the_limit(room: Classroom, api: ClassroomAPI) -> None:
    api.settings(requests_per_second=1)
    for _ in range(3):
        with room.broken():
            assert create(api, model="gpt-5-mini")


def test_the_role_reads_the_key_and_nothing_else(room: Classroom) -> None:
    client = hvac.Client(room.vault.address, token="")
    client.auth.approle.login(room.vault.role_id, room.vault.secret_id)
    secret = client.secrets.kv.v2.read_secret_version(KEY_PATH, raise_on_deleted_version=True)
    assert secret["data"]["data"][KEY_FIELD] == room.api.key
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.kv.v2.read_secret_version("başka/yer", raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.kv.v2.create_or_update_secret(KEY_PATH, {KEY_FIELD: "x"})


def test_a_vault_can_be_set_up_again() -> None:
    server = VaultServer()
    try:
        first = server.start("sk-classroom-of-the-first-time")
        again = set_up(first.address, first.root_token, "sk-classroom-of-the-second-time")
        client = hvac.Client(again.address, token="")
        client.auth.approle.login(again.role_id, again.secret_id)
        secret = client.secrets.kv.v2.read_secret_version(KEY_PATH, raise_on_deleted_version=True)
    finally:
        server.stop()
    assert secret["data"]["data"] == {KEY_FIELD: "sk-classroom-of-the-second-time"}


def test_the_vaults_audit_names_who_asked_for_what_and_holds_no_secret() -> None:
    server = VaultServer()
    try:
        vault = server.start("sk-classroom-of-the-audit")
        client = hvac.Client(vault.address, token="")
        client.auth.approle.login(vault.role_id, vault.secret_id)
        client.secrets.kv.v2.read_secret_version(KEY_PATH, raise_on_deleted_version=True)
        with pytest.raises(hvac.exceptions.Forbidden):
            client.secrets.kv.v2.read_secret_version("payroll", raise_on_deleted_version=True)
        allowed, denied = server.audit()[-2:]
    finally:
        server.stop()
    for entry, path in ((allowed, KEY_PATH), (denied, "payroll")):
        asked = entry["auth"]["display_name"], entry["request"]["operation"], entry["request"]["path"]
        assert asked == ("approle", "read", f"secret/data/{path}")
    assert "error" not in allowed
    assert "permission denied" in denied["error"]
    for secret in ("sk-classroom-of-the-audit", vault.secret_id, client.token):
        assert secret not in str([allowed, denied])


def test_the_policy_is_the_one_that_the_containers_vault_has() -> None:
    def rules(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]

    given = Path(__file__).parents[1] / "vault" / "policy.hcl"
    assert rules(given.read_text(encoding="utf-8")) == rules(POLICY)


def test_the_vault_leaves_no_token_in_anyones_home(room: Classroom) -> None:
    assert not os.path.exists(os.path.expanduser("~/.vault-token"))


def test_a_vault_that_answers_at_the_same_port_is_not_taken_for_the_own(
    room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [int(room.vault.address.rpartition(":")[2]), bao.free_port()]
    monkeypatch.setattr(bao, "free_port", lambda: ports.pop(0))
    server = bao.BaoServer()
    server.start()
    try:
        assert server.address != room.vault.address
        assert bao.is_up(server.address, server.root_token)
        assert not bao.is_up(room.vault.address, server.root_token)
    finally:
        server.stop()


def test_a_second_classroom_attaches_to_the_first(room: Classroom, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in room.environment().items():
        monkeypatch.setenv(name, value)
    with Classroom() as second:
        assert second.attached
        assert second.api.url == room.api.url
    with Classroom(attach=False) as own:
        assert own.api.url != room.api.url
    assert room.api.is_up()
    assert room.vault.is_up()


@pytest.mark.parametrize("value", ["", "{", '{"url": "http://127.0.0.1:9", "key": "k", "vault": {}}'])
def test_a_classroom_that_is_not_there_is_not_attached_to(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODEV_CLASSROOM", value)
    with Classroom() as fresh:
        assert not fresh.attached
        assert fresh.api.is_up()
    assert not fresh.api.is_up()
    assert not fresh.vault.is_up()


ENDS = {
    "exit": "",
    "crash": "raise SystemError('crash')",
    "os._exit": "os._exit(3)",
    "wait": "time.sleep(600)",
}
# Windows sends no other one to a single process.
SIGNALS = ["SIGTERM"] if sys.platform == "win32" else ["SIGINT", "SIGTERM", "SIGKILL"]


@pytest.mark.parametrize(
    ("end", "sent"),
    [
        ("exit", None),
        ("crash", None),
        ("os._exit", None),
        *(("wait", name) for name in SIGNALS),
    ],
)
def test_the_servers_end_with_the_process_however_it_ends(end: str, sent: str | None) -> None:
    script = f"""
import json, os, sys, time
from odev import classroom
room = classroom.start()
print(json.dumps([room.vault.address, room.api.url]), flush=True)
{ENDS[end]}
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        if sent is not None:
            process.send_signal(signal.Signals[sent])
        process.wait(60)
    for address in addresses:
        assert gone(address), f"{address} still answers"


def gone(address: str) -> bool:
    """Whether nothing listens there any more, within a minute."""
    host, port = address.removeprefix("http://").split(":")
    for _ in range(1200):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.05)
    return False


ASKS = """
import os
from odev import classroom
room = classroom.start()
from openai import OpenAI
from safechat import ChatClientWrapper
reply = OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Merhaba"}])
print(reply.choices[0].message.content)
del os.environ["OPENAI_API_KEY"]  # so that the key comes from Vault
with ChatClientWrapper.from_env() as chat:
    print(chat.generate("Merhaba"))
print([request["model"] for request in room.api.requests()])
"""


def test_neither_a_proxy_nor_a_real_service_of_the_environment_comes_between() -> None:
    with real_service() as service:
        environment = {**os.environ, **service.environment()}
        done = subprocess.run(
            [sys.executable, "-c", ASKS],
            capture_output=True, text=True, encoding="utf-8", env=environment, timeout=60, check=False,
        )  # fmt: skip
    answer = "Hello! You said: Merhaba\n"
    assert (done.stdout, service.connections) == (f"{answer * 2}['gpt-4o', 'gpt-6.1-terra']\n", 0), (
        done.stderr
    )
    assert "Merhaba" in done.stdout, done.stderr


def test_a_fault_ends_with_its_block(room: Classroom, chat: ChatClientWrapper) -> None:
    def ask_twice() -> None:
        with room.broken("answer"):
            with pytest.raises(MalformedReply):
                chat.generate("Merhaba")
            chat.generate("Merhaba")

    with pytest.raises(MalformedReply):
        ask_twice()
    assert chat.generate("Merhaba").text
    assert len(room.api.requests()) == 3


def test_a_fault_of_one_model_leaves_the_others_alone(room: Classroom, chat: ChatClientWrapper) -> None:
    with room.broken("answer", model="gpt-5-mini", times=1):
        assert chat.generate("Merhaba", model="gpt-6-luna").text
        with pytest.raises(MalformedReply):
            chat.generate("Merhaba", model="gpt-5-mini")
        assert chat.generate("Merhaba", model="gpt-5-mini").text


def test_a_block_begins_without_earlier_faults_and_requests(room: Classroom, chat: ChatClientWrapper) -> None:
    chat.generate("Merhaba")
    room.api.fault(Fault("hang", times=None))
    room.api.settings(refuses_temperature=False)
    with room.broken("reply", text="Selam!", times=1):
        assert room.api.requests() == []
        assert chat.generate("Merhaba", model="gpt-5", temperature=0.5).text == "Selam!"
        assert chat.generate("Merhaba").text != "Selam!"
    with room.broken():
        assert chat.generate("Merhaba").text


def test_a_fault_that_does_not_exist_is_named(room: Classroom) -> None:
    with pytest.raises(ValueError, match="hung"), room.broken("hung"):
        pass


@pytest.fixture
def started(room: Classroom, monkeypatch: pytest.MonkeyPatch) -> Classroom:
    """What `start()` gives in a notebook of the lab, whose environment names `room`."""
    for name, value in room.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(room_module, "_current", None)
    return start()


def test_start_mends_what_another_notebook_left_broken(started: Classroom, chat: ChatClientWrapper) -> None:
    assert started.attached
    started.api.fault(Fault("hang", times=None))
    started.api.behave("fail", status=503, times=None)
    started.api.settings(keys=["sk-another"])
    started.vault.put_key("sk-another")
    room = start()
    assert room is started
    assert chat.generate("Merhaba").text
    client = hvac.Client(room.vault.address, token="")
    client.auth.approle.login(room.vault.role_id, room.vault.secret_id)
    secret = client.secrets.kv.v2.read_secret_version(KEY_PATH, raise_on_deleted_version=True)
    assert secret["data"]["data"][KEY_FIELD] == room.api.key


def test_start_opens_another_classroom_when_the_first_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with Classroom() as lab:
        for name, value in lab.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(room_module, "_current", None)
        first = start()
    second = start()
    try:
        assert (first.attached, second.attached) == (True, False)
        assert os.environ["OPENAI_BASE_URL"] == second.api.base_url
        assert second.is_up()
    finally:
        second.stop()


def test_nor_does_it_in_a_notebook(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ASKS)])
    with real_service() as service:
        environment = {**os.environ, **service.environment(), "IPYTHONDIR": str(tmp_path)}
        NotebookClient(notebook, timeout=60).execute(env=environment)
    assert "['gpt-4o', 'gpt-6.1-terra']" in notebook.cells[0].outputs[-1].text
    assert service.connections == 0


def test_a_notebook_of_the_lab_keeps_what_it_has_set_itself(
    room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
import os
from odev import classroom
os.environ["SAFECHAT_MODEL"] = "gpt-4o"
print(classroom.start().attached, os.environ["SAFECHAT_MODEL"])
"""
    environment = {**os.environ, **room.environment()}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )
    assert done.stdout == "True gpt-4o\n", done.stderr
