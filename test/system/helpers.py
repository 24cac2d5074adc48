"""Small things that every part of the harness needs: users, ports, deadlines, processes."""

import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent

# Programs under sanitizers are slower; every deadline is stretched by this.
SLOW = float(os.environ.get("PGUSHER_SLOW", "1"))

# And a machine may be busy with other things: what is waited for is given up only after as many times the seconds that
# it should take at most.
PATIENCE = 3 * SLOW

# Sanitizers keep freed memory and shadows: what a test says of memory holds for the plain build only.
MEMORY_COUNTS = SLOW == 1

HAVE_IPV6 = False
try:
    with socket.socket(socket.AF_INET6) as _s:
        _s.bind(("::1", 0))
    HAVE_IPV6 = True
except OSError:
    pass


def slept(ms):
    """The least that a pg_sleep of this many ms takes by our clock.  It counts from when the answer to what stood before it
    (a SET of the pooler's own) is seen, and on a busy machine that is some ms after the server has gone on to it."""
    return ms * 0.9


def unprivileged():
    """The account that servers run as: PostgreSQL refuses root.  None: we are not root, stay as we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("started as root, but there is neither a user postgres nor nobody")


def as_user():
    """Arguments for subprocess that give up root."""
    account = unprivileged()
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def end_with_us(number=signal.SIGKILL):
    """For preexec_fn: a signal when the process that runs the tests has ended, however that came."""
    def prepare():
        ctypes.CDLL(None).prctl(1, number)  # PR_SET_PDEATHSIG
    return prepare


def user_name():
    account = unprivileged()
    return account.pw_name if account else pwd.getpwuid(os.geteuid()).pw_name


def give_away(path):
    """Make path belong to the account that servers run as."""
    account = unprivileged()
    if account:
        os.chown(path, account.pw_uid, account.pw_gid)


def make_dir(prefix):
    """A new folder with a name short enough for Unix sockets in it."""
    base = os.environ.get("PGUSHER_TEST_TMP", "/tmp")
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    path.chmod(0o755)
    give_away(path)
    return path


def remove_dir(path):
    if not os.environ.get("PGUSHER_KEEP"):
        shutil.rmtree(path, ignore_errors=True)


def lowest_ephemeral():
    """Where the ports begin that connections which go out are given."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 0


FIRST_PORT, BEHIND_PORTS = 11000, lowest_ephemeral()


def free_port():
    """A TCP port that nobody has now, on IPv4 and IPv6.  Who uses it must still cope with EADDRINUSE.

    No connection that goes out is given it, so that whoever stops and starts again finds it free."""
    while True:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", random.SystemRandom().randrange(FIRST_PORT, BEHIND_PORTS)
                        if BEHIND_PORTS > 2 * FIRST_PORT else 0))
                port = s.getsockname()[1]
                if not HAVE_IPV6:
                    return port
                with socket.socket(socket.AF_INET6) as s6:
                    s6.bind(("::1", port))
                return port
            except OSError:
                continue


class Deadline:
    """A point in time; `for _ in Deadline(5): ...` polls until then, then fails with the given words."""

    def __init__(self, seconds, what="condition"):
        self.seconds = seconds * PATIENCE
        self.end = time.monotonic() + self.seconds
        self.what = what

    @property
    def left(self):
        return self.end - time.monotonic()

    def __iter__(self):
        pause = 0.005
        while True:
            yield self
            if self.left <= 0:
                raise TimeoutError(f"{self.what}: not within {self.seconds:g} s")
            time.sleep(min(pause, max(self.left, 0)))
            pause = min(pause * 1.5, 0.1)


def wait_until(condition, seconds=5, what=None):
    """Call condition until it returns something true, and return that."""
    for _ in Deadline(seconds, what or getattr(condition, "__name__", "condition")):
        value = condition()
        if value:
            return value


def run(argv, check=True, timeout=60, **kwargs):
    """Run a program to its end; its output is in the failure's words."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout * PATIENCE, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}\nexit status {done.returncode}\n{done.stdout}")
    return done


def session_processes(sid):
    """The live processes of a session: what a program started with setsid has left behind."""
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX" and int(fields[3]) == sid:
            pids.append(int(entry.name))
    return pids


def status_kb(pid, key):
    """A figure from /proc/PID/status or smaps_rollup, in kB: VmRSS, Private_Dirty, ..."""
    for name in ("status", "smaps_rollup"):
        for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise KeyError(key)
