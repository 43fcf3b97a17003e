"""Private servers for tests: a real Redis, a real RabbitMQ, on free ports, each in its own folder.

Called by the fixtures of ``server_fixtures``; knows nothing of pytest.  A server can be stopped,
killed and started again on the same port with the same data, as an operator would do it.  Nothing
here touches a server that the machine runs by itself: node name, cookie, port mapper, ports,
folders and configuration are all private.  Each process dies with the one that started it.
"""

# ruff: noqa: S603 - every program started here is a server or its tool, found by this module

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - real servers start in real time
from typing import Final

START_TIMEOUT_S: Final = 60.0  # RabbitMQ takes 4 s on an idle machine with 2 cores
STOP_TIMEOUT_S: Final = 20.0
LOOK_AGAIN_S: Final = 0.02
START_ATTEMPTS: Final = 3  # somebody may take a port between our look and the server's bind

# Below the range from which systems take the local ports of connections, so that a server that
# is down for a moment finds its port free when it comes back.
LOWEST_PORT: Final = 20_000
HIGHEST_PORT: Final = 32_000

# Runs a program that ends when its parent does, even when that was killed; as another user if one
# is named.
DIE_WITH_PARENT: Final = """
import ctypes, os, pwd, signal, sys
libc = ctypes.CDLL(None)
if sys.argv[2]:
    user = pwd.getpwnam(sys.argv[2])
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
if hasattr(libc, "prctl"):
    libc.prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execvp(sys.argv[3], sys.argv[3:])
"""

_DYING_WITH_US: Final = (sys.executable, "-S", "-c", DIE_WITH_PARENT)


class ProgramMissingError(Exception):
    """A server cannot be started because its program is not installed."""

    def __init__(self, program: str, install: str) -> None:
        super().__init__(program, install)
        self.program, self.install = program, install

    def __str__(self) -> str:
        return f"{self.program} is not installed: {self.install}"


class ServerFailedError(Exception):
    """A server did not start, or did not do what it was told."""


def free_ports(count: int) -> list[int]:
    """Find ports on which nobody listens."""
    found: list[int] = []
    while len(found) < count:
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def answers(port: int, question: bytes, answer: bytes) -> bool:
    """Say whether a server greets as it does when it is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(question)
            return link.recv(len(answer)) == answer
    except OSError:
        return False


class PrivateServer(ABC):
    """A server that belongs to a test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="taskq-server-"))
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the processes, the server itself last."""

    @abstractmethod
    def _ready(self) -> bool:
        """Say whether it answers."""

    @abstractmethod
    def _choose_ports(self) -> None:
        """Choose ports on which nobody listens."""

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._processes[-1].pid

    @property
    def running(self) -> bool:
        """Whether it has been started, and has not ended."""
        return bool(self._processes) and self._processes[-1].poll() is None

    def start(self) -> None:
        """Start, and wait until it answers.  After a stop: same port, same data."""
        if not self.running:
            self._launch()
            self._wait_until_ready()

    def start_somewhere(self) -> None:
        """Start for the first time: on other ports if those at hand turn out to be taken."""
        for attempt in range(START_ATTEMPTS):
            try:
                return self.start()
            except ServerFailedError:
                self.kill()
                if attempt == START_ATTEMPTS - 1:
                    raise
                self._choose_ports()
        return None

    def stop(self) -> None:
        """End it as an operator would, and wait until it has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Make a black hole of it: connections stay, answers stop."""
        os.kill(self.pid, signal.SIGSTOP)
        # Some of its threads may still be answering for a moment.
        while self.running and not _stands_still(self.pid):
            sleep(LOOK_AGAIN_S)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(self.pid, signal.SIGCONT)

    def dispose(self) -> None:
        """Kill it, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What it has written."""
        path = self.folder / "output.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _spawn(
        self, command: Sequence[str], environment: Mapping[str, str], user: str = ""
    ) -> None:
        with (self.folder / "output.log").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    [*_DYING_WITH_US, str(os.getpid()), user, *command],
                    env=dict(environment),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C in a test run is not meant for it
                )
            )

    def _wait_until_ready(self) -> None:
        deadline = monotonic() + START_TIMEOUT_S
        while not self._ready():
            if not self.running or monotonic() > deadline:
                state = "did not answer in time" if self.running else "ended at once"
                raise ServerFailedError(f"{self.url}: {state}\n{self.log()[-2000:]}")
            sleep(LOOK_AGAIN_S)

    def _end(self, how: signal.Signals) -> None:
        # Last started, first ended; the rest were only its helpers.
        for position, process in enumerate(reversed(self._processes)):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(how if position == 0 else signal.SIGKILL)
                self._wait_for_end(process)
        self._processes.clear()

    @staticmethod
    def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RedisServer(PrivateServer):
    """A private Redis; a durable one survives its own end, as a production server should."""

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._program = shutil.which("redis-server")
        if self._program is None:
            raise ProgramMissingError("redis-server", "apt install redis-server")
        super().__init__()
        self._choose_ports()

    @property
    def url(self) -> str:
        """Database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _choose_ports(self) -> None:
        (self.port,) = free_ports(1)

    def _ready(self) -> bool:
        return answers(self.port, b"PING\r\n", b"+PONG")

    def _launch(self) -> None:
        assert self._program is not None  # checked by the constructor
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "always",
            "daemonize": "no",
        }
        command = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._spawn([self._program, *command], os.environ)

    def empty(self) -> None:
        """Delete everything in it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall(b"FLUSHALL\r\n")
            if link.recv(5) != b"+OK\r\n":
                raise ServerFailedError(f"{self.url}: FLUSHALL was refused")


# Debian wraps the programs in scripts that change the user and the folder; these are the real ones.
RABBITMQ_FOLDERS: Final = ("/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/bin")


def find_rabbitmq(program: str) -> str:
    """Find one of RabbitMQ's own programs."""
    for folder in RABBITMQ_FOLDERS:
        if (path := Path(folder, program)).exists():
            return str(path)
    if (found := shutil.which(program)) is None:
        raise ProgramMissingError(program, "apt install rabbitmq-server")
    return found


class RabbitMQServer(PrivateServer):
    """A private RabbitMQ without plugins, with a port mapper of its own."""

    def __init__(self) -> None:
        self._program = find_rabbitmq("rabbitmq-server")
        self._control = find_rabbitmq("rabbitmqctl")
        self._mapper = shutil.which("epmd")
        if self._mapper is None:
            raise ProgramMissingError("epmd", "apt install erlang-base")
        super().__init__()
        # ``localhost`` as host, because the name of the machine may not resolve.
        self._node = f"taskq-{secrets.token_hex(6)}@localhost"
        self._vhosts = 0
        self._choose_ports()
        self._write_files()

    @property
    def url(self) -> str:
        """The default vhost, as the guest."""
        return self.url_of("/")

    def url_of(self, vhost: str) -> str:
        """Return the URL of one vhost."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def control(self, *words: str) -> str:
        """Run ``rabbitmqctl``; returns what it printed."""
        done = subprocess.run(
            [self._control, "--quiet", *words],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,  # it starts a runtime of its own
            check=False,
        )
        if done.returncode:
            raise ServerFailedError(f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def new_vhost(self) -> str:
        """Make a fresh vhost; returns its URL."""
        self._vhosts += 1
        name = f"test-{self._vhosts}"
        # One start of the control program instead of two: it takes 0.4 s.
        self.control(
            "eval",
            f'rabbit_vhost:add(<<"{name}">>, <<"taskq">>), '
            "rabbit_auth_backend_internal:set_permissions("
            f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"taskq">>).',
        )
        return self.url_of(name)

    def _choose_ports(self) -> None:
        self.port, self._distribution, self._mapping, self._tool = free_ports(4)

    def _ready(self) -> bool:
        # Its first frame is ``connection.start``, on channel 0.
        return answers(self.port, b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00")

    def _launch(self) -> None:
        assert self._mapper is not None  # checked by the constructor
        environment = self._environment()
        mapper = [self._mapper, "-port", str(self._mapping), "-address", "127.0.0.1"]
        self._spawn(mapper, environment)
        self._spawn([self._program], environment)

    def _write_files(self) -> None:
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "environment").write_text("")
        (self.folder / "advanced.config").write_text("[].\n")
        # Low limits would raise alarms on small machines; tests that want one set it.
        (self.folder / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 1MB\nvm_memory_high_watermark.relative = 0.8\n"
        )

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": folder,  # Erlang looks for its cookie there
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CTL_DIST_PORT_MIN": str(self._tool),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(self._tool + 20),
            "ERL_EPMD_PORT": str(self._mapping),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/environment",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_FEATURE_FLAGS_FILE": f"{folder}/feature_flags",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": f"{folder}/server.pid",
            # Makes its start script become the server, so that a signal reaches it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def _stands_still(pid: int) -> bool:
    """Whether all threads of a stopped process have stopped."""
    threads = Path(f"/proc/{pid}/task")
    if not threads.exists():  # not Linux: no way to look
        return True
    try:
        told = [stat.read_text() for stat in threads.glob("*/stat")]
    except FileNotFoundError:  # one has ended while we looked, so not all stand still
        return False
    return all(each.rpartition(")")[2].split()[0] in "TtZX" for each in told)


class MemcachedServer(PrivateServer):
    """A private memcached."""

    def __init__(self) -> None:
        self._program = shutil.which("memcached")
        if self._program is None:
            raise ProgramMissingError("memcached", "apt install memcached")
        super().__init__()
        self._choose_ports()

    @property
    def url(self) -> str:
        """As a result backend is told."""
        return f"cache+memcached://127.0.0.1:{self.port}/"

    def _choose_ports(self) -> None:
        (self.port,) = free_ports(1)

    def _ready(self) -> bool:
        return answers(self.port, b"version\r\n", b"VERSION")

    def _launch(self) -> None:
        assert self._program is not None  # checked by the constructor
        options = ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "32"]
        # It refuses to be root, and has to be told whom to be instead.
        user = ["-u", UNPRIVILEGED] if os.geteuid() == 0 else []
        self._spawn([self._program, *options, *user], os.environ)


# Who servers are that refuse to be root.
UNPRIVILEGED: Final = "nobody"


def find_postgres(program: str) -> str:
    """Find one of PostgreSQL's own programs; Debian has them in a folder for each version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (path := folder / program).exists():
            return str(path)
    if (found := shutil.which(program)) is None:
        raise ProgramMissingError(program, "apt install postgresql")
    return found


class PostgresServer(PrivateServer):
    """A private PostgreSQL, with one database."""

    def __init__(self) -> None:
        self._program, self._initdb = find_postgres("postgres"), find_postgres("initdb")
        super().__init__()
        self._choose_ports()
        self._data = self.folder / "data"
        self._user = UNPRIVILEGED if os.geteuid() == 0 else ""
        if self._user:
            shutil.chown(self.folder, self._user)
        options = ["--username=taskq", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(
            [self._initdb, *options, str(self._data)],
            user=self._user or None,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.dispose()
            raise ServerFailedError(f"initdb: {done.stdout}{done.stderr}")

    @property
    def url(self) -> str:
        """Its one database."""
        return f"postgresql+psycopg2://taskq@127.0.0.1:{self.port}/postgres"

    def _choose_ports(self) -> None:
        (self.port,) = free_ports(1)

    def _ready(self) -> bool:
        # A question whether it speaks TLS; it answers with one letter when it is up.
        return answers(self.port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N")

    def _launch(self) -> None:
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._spawn([self._program, "-D", str(self._data), *words], os.environ, user=self._user)
