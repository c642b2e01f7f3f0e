"""What not every system has stands in a few files, with a row for each platform; text is UTF-8 on all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
# The files and folders in which the platforms differ.
ROOMS = (
    "safechat/runtime/",
    "odev/classroom/processes.py",
    "odev/grading/",
    "odev/course/files.py",
)
MODULES = {
    "fcntl",
    "resource",
    "pwd",
    "grp",
    "termios",
    "pty",
    "msvcrt",
    "winreg",
    "_winapi",
    "ctypes.wintypes",
}
# Names of modules that one platform lacks, or that mean something else there, or that ask which one it is.
NAMES = {
    "os": "name uname fork forkpty register_at_fork kill killpg getuid geteuid getgid getegid getpgid getsid "
    "setsid setpgid setuid setgid nice wait waitpid wait3 wait4 waitid WNOHANG chmod fchmod chown fchown "
    "umask chroot mkfifo mknod openpty symlink link sysconf getloadavg statvfs pipe2 sched_getaffinity "
    "sched_setaffinity sched_yield posix_spawn posix_fallocate pidfd_open memfd_create startfile "
    "O_CLOEXEC O_NONBLOCK O_NOFOLLOW O_DIRECTORY O_BINARY O_NOINHERIT",
    "signal": "alarm setitimer pause sigwait pthread_sigmask pthread_kill siginterrupt SIGKILL SIGHUP "
    "SIGALRM SIGCHLD SIGPIPE SIGQUIT SIGSTOP SIGCONT SIGUSR1 SIGUSR2 SIGBREAK CTRL_C_EVENT CTRL_BREAK_EVENT",
    "sys": "platform getwindowsversion",
    "platform": "system uname",
    "ctypes": "WinDLL windll WinError",
    "socket": "AF_UNIX SO_REUSEPORT",
}
METHODS = {"symlink_to", "hardlink_to", "chmod", "owner", "add_signal_handler"}
ARGUMENTS = {"start_new_session", "pass_fds", "preexec_fn", "process_group", "creationflags", "startupinfo"}
FOLDERS = re.compile(r"/(?:proc|sys|tmp|dev|etc|var)/")


def of_one_platform(source: str) -> Iterator[str]:
    """The names in it that belong to one platform, and the questions which one it is."""
    tree = ast.parse(source)
    docstrings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in MODULES)
            case ast.ImportFrom(module=str(module), names=names):
                whole = [f"{module}.{alias.name}" for alias in names]
                yield from (
                    name for name in whole if module in MODULES or name in MODULES or _is_listed(name)
                )
            case ast.Attribute(value=ast.Name(id=module), attr=name) if _is_listed(f"{module}.{name}"):
                yield f"{module}.{name}"
            case ast.Attribute(attr=name) if name in METHODS:
                yield f".{name}"
            case ast.keyword(arg=str(name)) if name in ARGUMENTS:
                yield f"{name}="
            case ast.Call(func=ast.Name("hasattr" | "getattr" as asks), args=[ast.Name(module), *_]) if (
                module in NAMES
            ):
                yield f"{asks}({module}, …)"
            case ast.Constant(value=str(text)) if FOLDERS.match(text) and node not in docstrings:
                yield text


def _is_listed(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return last in NAMES.get(module, "").split()


def test_what_only_one_platform_has_stands_in_the_files_for_it() -> None:
    found = {
        name: found
        for path in sorted(SRC.rglob("*.py"))
        if not (name := path.relative_to(SRC).as_posix()).startswith(ROOMS)
        and (found := [*of_one_platform(path.read_text(encoding="utf-8"))])
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "def f():\n    import resource",
        "from os import fork",
        "from ctypes import wintypes",
        "from msvcrt import locking",
        "os.killpg(1, 9)",
        "if sys.platform == 'win32': ...",
        "hasattr(os, 'fork')",
        "getattr(signal, 'SIGKILL', 9)",
        "signal.signal(signal.SIGHUP, f)",
        "path.symlink_to(other)",
        "subprocess.Popen(command, start_new_session=True)",
        "open('/proc/self/status')",
    ],
)
def test_a_name_of_one_platform_is_seen(source: str) -> None:
    assert len([*of_one_platform(source)]) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""Reads /proc/1."""',
        "'''/proc/1'''",
        "os.replace(a, b)",
        "signal.signal(signal.SIGTERM, f)",
        "os.getpid()",
    ],
)
def test_what_every_platform_has_is_no_such_name(source: str) -> None:
    assert [*of_one_platform(source)] == []


# Calls that open text, with the place of their encoding among the arguments.
TEXT = {"read_text": 0, "write_text": 1, "TextIOWrapper": 1, "FileHandler": 2, "open": 3, ".open": 2}
PROCESSES = {"run", "Popen", "check_output", "call", "check_call"}
PYTHON = sorted(
    path
    for folder in ("src", "lessons", "solutions", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if path.parent.name not in ("wrong_answers", "right_answers")  # cells of a notebook
)


def without_encoding(source: str) -> Iterator[str]:
    """The calls in it that read or write text in whatever encoding this computer has."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(name)):
                pass
            case ast.Call(func=ast.Attribute(_, "open")):
                name = ".open"
            case ast.Call(func=ast.Attribute(_, name)):
                pass
            case _:
                continue
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" not in named and (
            (name in PROCESSES and {"text", "universal_newlines"} & named.keys())
            or (name in TEXT and len(node.args) <= TEXT[name] and _is_text(name, node.args, named))
        ):
            yield ast.unparse(node)


def _is_text(name: str, arguments: list[ast.expr], named: Mapping[str | None, ast.expr]) -> bool:
    """Whether the mode, if it has one, is that of text."""
    if "open" not in name:
        return True
    *_, mode = [ast.Constant("r"), *arguments[name == "open" :][:1], *filter(None, [named.get("mode")])]
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" not in mode.value


def test_text_is_read_and_written_as_utf_8() -> None:
    found = {
        str(path.relative_to(ROOT)): calls
        for path in PYTHON
        if (calls := [*without_encoding(path.read_text(encoding="utf-8"))])
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text()",
        "path.read_text(errors='replace')",
        "path.write_text(text)",
        "path.open()",
        "path.open('w')",
        "open(path)",
        "open(path, mode='a')",
        "subprocess.run(command, text=True)",
        "subprocess.Popen(command, universal_newlines=True)",
        "logging.FileHandler(path)",
    ],
)
def test_a_call_without_an_encoding_is_seen(source: str) -> None:
    assert [*without_encoding(source)] == [source]


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text('utf-8')",
        "path.write_text(text, encoding='utf-8')",
        "path.open('rb')",
        "open(path, 'rb')",
        "open(path, mode='wb')",
        "open(path, 'w', encoding='utf-8')",
        "archive.open(info)",
        "subprocess.run(command, text=True, encoding='utf-8')",
        "subprocess.run(command)",
    ],
)
def test_a_call_with_an_encoding_or_of_bytes_is_not(source: str) -> None:
    assert [*without_encoding(source)] == []


def test_the_workflow_asks_for_no_secret_and_no_right_to_write() -> None:
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert re.findall(r"^permissions:\n((?:  .*\n)+)", workflow, re.MULTILINE) == ["  contents: read\n"]
    assert "secrets" not in workflow
    actions = re.findall(r"uses: (.*)", workflow)
    assert actions
    assert [action for action in actions if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []
