"""Alerts: what raises one, where it is told, and the webhook that a receiver of our own believes."""

import http.server
import json
import re
import ssl
import threading
import time

import pytest

from helpers import SLOW as STRETCH
from helpers import TOP, free_port, slept, wait_until

pytestmark = pytest.mark.ours("raises alerts")

SLOW = 0.3
LIMIT = 250     # ms
SECRET = "a secret of receiver and pooler"


class Receiver:
    """An HTTP server that answers by a script: statuses, the last one for all that follow; or "hang"."""

    def __init__(self, *script, port=0, certificate=None):
        self.script = list(script) or [200]
        self.received = []
        self.over = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.take(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert, certificate.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self.server.server_port}/hooks/KEY-IN-URL"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        what = self.script[min(len(self.received), len(self.script) - 1)]
        self.received.append((dict(request.headers), body, time.monotonic()))
        if what == "hang":
            self.over.wait(170)
            return
        request.send_response(what)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def bodies(self):
        return [json.loads(body) for _, body, _ in self.received]

    def wait(self, n, seconds=10):
        wait_until(lambda: len(self.received) >= n, seconds, f"{n} requests")
        return self.received

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver():
    kept = []

    def start(*script, **kwargs):
        kept.append(Receiver(*script, **kwargs))
        return kept[-1]
    yield start
    for r in kept:
        r.close()


def start(pgusher, **settings):
    defaults = {"pool_mode": "transaction", "slow_query_threshold": LIMIT, "alert_query_time": LIMIT,
                "alert_slow_percent": 0, "alert_regression_percent": 0, "slow_query_log": "off"}
    return pgusher(**{**defaults, **settings})


def documented():
    """The receiver's check as doc/monitoring.md has it."""
    code, = re.findall(r"```python\n(.*?def verify.*?)```", (TOP / "doc/monitoring.md").read_text(), re.S)
    names = {}
    exec(code, names)  # noqa: S102 - it is ours
    return names["verify"]


verify = documented()


def sleep(p, seconds=SLOW, dbname="shop", times=1, **kwargs):
    with p.connect(dbname, **kwargs) as c:
        for _ in range(times):
            c.execute(f"SELECT pg_sleep({seconds})")


def wait_alerts(p, n=1, seconds=10):
    def enough():
        rows = p.console("SHOW ALERTS")
        return len(rows) >= n and rows
    rows = wait_until(enough, seconds, f"{n} alerts")
    assert len(rows) == n
    return rows


# ---- slow queries ----


def test_slow_query(pgusher):
    """In SHOW ALERTS and in the log: who, what, how much against which limit, and where to look."""
    p = start(pgusher)
    with p.logs(r"WARNING alert 1 \(slow_query\): tenant mill: SELECT of user app \(from 127\.0\.0\.1:\d+, application "
                r"nightly\) took \d+\.\d ms, alert_query_time is 250\.0 ms; see SHOW SLOW_QUERIES"):
        sleep(p, dbname="mill", application_name="nightly")
    row, = wait_alerts(p)
    assert (row["id"], row["kind"], row["tenant"], row["times"]) == (1, "slow_query", "mill", 1)
    assert row["text"] == "SELECT pg_sleep($1)"
    assert row["digest"] == p.console("SHOW SLOW_QUERIES")[0]["digest"]
    assert slept(SLOW * 1000) <= row["value"] < 10000 * STRETCH and row["limit"] == LIMIT
    assert row["at"] == row["last_at"]
    assert row["delivery"] == "none"
    assert row["message"] in p.log()


def test_no_alert_below_the_limit(pgusher):
    p = start(pgusher, alert_query_time=60000)
    sleep(p)
    wait_until(lambda: p.console("SHOW SLOW_QUERIES"))
    assert p.console("SHOW ALERTS") == []
    p.console("SET alert_query_time = 0")
    sleep(p)
    wait_until(lambda: len(p.console("SHOW SLOW_QUERIES")) == 2)
    assert p.console("SHOW ALERTS") == []


def test_cool_down(pgusher):
    """The same statement of the same tenant is counted; others are alerts of their own."""
    p = start(pgusher)
    sleep(p, times=3)
    sleep(p, dbname="mill")
    with p.connect() as c:
        c.execute(f"SELECT 'other', pg_sleep({SLOW})")
    wait_alerts(p, 3)

    def counted():
        rows = {(r["tenant"], r["text"]): r for r in p.console("SHOW ALERTS")}
        return rows if rows["shop", "SELECT pg_sleep($1)"]["times"] == 3 else None
    rows = wait_until(counted)
    assert rows["mill", "SELECT pg_sleep($1)"]["times"] == 1
    assert rows["shop", "SELECT $1, pg_sleep($2)"]["times"] == 1
    first = rows["shop", "SELECT pg_sleep($1)"]
    assert first["last_at"] > first["at"]
    assert p.log().count("WARNING alert") == 3


def test_cool_down_ends(pgusher):
    p = start(pgusher, alert_cooldown=1)
    sleep(p)
    wait_alerts(p, 1)
    time.sleep(1.1)     # the cool-down
    sleep(p)
    assert {r["id"] for r in wait_alerts(p, 2)} == {1, 2}


def test_reset_stats_forgets_alerts(pgusher):
    p = start(pgusher)
    sleep(p)
    wait_alerts(p, 1)
    p.console("RESET STATS")
    assert p.console("SHOW ALERTS") == []
    sleep(p)
    assert wait_alerts(p, 1)[0]["id"] == 2


# ---- what is out of the ordinary ----


def test_share_of_slow_queries(pgusher):
    p = start(pgusher, alert_query_time=0, alert_slow_percent=20, alert_min_queries=10, alert_baseline_period=1)
    sleep(p, seconds=0, dbname="mill", times=20)
    sleep(p, seconds=0, times=10)
    sleep(p, times=5)
    row, = wait_alerts(p)
    assert (row["kind"], row["tenant"], row["digest"], row["text"]) == ("slow_share", "shop", None, None)
    assert row["limit"] == 20
    assert 20 < row["value"] <= 100 * 5 / 15 + 20   # a busy machine may have made others slow, too
    assert re.search(r"WARNING alert 1 \(slow_share\): tenant shop: \d+\.\d % of its 1[0-9] queries of the last 5 minutes"
                     r" were slow \(\d+\.\d % over the last hour\), alert_slow_percent is 20;", p.log())

    def seen_again():
        return p.console("SHOW ALERTS")[0]["times"] > 1
    wait_until(seen_again, 10)
    assert p.log().count("WARNING alert") == 1


def test_few_queries_make_no_share(pgusher):
    p = start(pgusher, alert_query_time=0, alert_slow_percent=20, alert_min_queries=10, alert_baseline_period=1)
    sleep(p, times=5)
    sleep(p, seconds=0, dbname="mill", times=30)
    time.sleep(2.5)     # two inquiries
    assert p.console("SHOW ALERTS") == []


def test_regression(pgusher):
    """A statement that took 10 ms for some periods, and then ten times as long."""
    p = start(pgusher, alert_query_time=0, slow_query_threshold=60000, alert_regression_percent=300,
              alert_min_queries=3, alert_baseline_period=1)
    end = time.monotonic() + 6
    with p.connect() as c:
        while time.monotonic() < end:
            c.execute("SELECT pg_sleep(0.01)")
            c.execute("SELECT 1, pg_sleep(0.01)")
        for _ in range(200):
            c.execute("SELECT pg_sleep(0.1)")
            c.execute("SELECT 1, pg_sleep(0.01)")
            # A busy machine may have made the other one slow, too, for a period.
            told = [r for r in p.console("SHOW ALERTS") if r["text"] == "SELECT pg_sleep($1)"]
            if told:
                break
    row, = told
    assert (row["kind"], row["tenant"]) == ("regression", "shop")
    assert row["value"] > row["limit"] >= 30
    assert re.search(r"\(regression\): tenant shop: statement [0-9a-f]{16} takes \d+\.\d ms \(mean of \d+ calls\), it used to"
                     r" take \d+\.\d ms, the limit is \d+\.\d ms", p.log())


# ---- the webhook ----


def test_webhook(pgusher, receiver):
    r = receiver()
    p = start(pgusher, alert_webhook_url=r.url, alert_webhook_secret=SECRET)
    sleep(p)
    headers, body, _ = r.wait(1)[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Pgusher-Event"] == "slow_query"
    assert verify(headers, body, SECRET)
    assert not verify(headers, body + b" ", SECRET)
    assert not verify(headers, body, "another secret")
    assert not verify({**headers, "X-Pgusher-Timestamp": str(int(headers["X-Pgusher-Timestamp"]) - 1)}, body, SECRET)
    assert not verify({}, body, SECRET)
    told = json.loads(body)
    row, = wait_alerts(p)
    for key in "id", "at", "tenant", "digest", "text", "message":
        assert told[key] == row[key]
    assert told["event"] == row["kind"]
    assert (told["value"], told["limit"]) == (float(row["value"]), float(row["limit"]))
    assert told["unit"] == "ms"
    wait_until(lambda: p.console("SHOW ALERTS")[0]["delivery"] == "sent")
    assert len(r.received) == 1


def test_webhook_is_tried_again(pgusher, receiver):
    r = receiver(500, 200)
    p = start(pgusher, alert_webhook_url=r.url, alert_webhook_secret=SECRET)
    sleep(p)
    (_, first, at), (headers, second, later) = r.wait(2)
    assert first == second
    assert verify(headers, second, SECRET)
    assert later - at >= 0.9
    wait_until(lambda: p.console("SHOW ALERTS")[0]["delivery"] == "sent")


def test_webhook_that_says_no(pgusher, receiver):
    r = receiver(404)
    p = start(pgusher, alert_webhook_url=r.url)
    with p.logs(r"WARNING webhook: alert 1 was not delivered: HTTP status 404 \(1 tries\)"):
        sleep(p)
    assert wait_alerts(p)[0]["delivery"] == "failed"
    assert "X-Pgusher-Signature" not in r.received[0][0]


def test_webhook_of_a_stranger(pgusher, receiver, certs):
    """A certificate that nobody vouches for: it is told nothing."""
    r = receiver(certificate=certs.server)
    p = start(pgusher, alert_webhook_url=r.url)
    with p.logs(r"WARNING webhook: alert 1 was not delivered: .*certificate.* \(1 tries\)"):
        sleep(p)
    assert wait_alerts(p)[0]["delivery"] == "failed"
    assert r.received == []


def test_webhook_comes_to_life(pgusher, receiver):
    """Nobody listens at first; then the alert arrives after all."""
    port = free_port()
    p = start(pgusher, alert_webhook_url=f"http://127.0.0.1:{port}/x")
    sleep(p)
    wait_alerts(p)
    r = receiver(port=port)
    r.wait(1, 15)
    assert r.bodies()[0]["id"] == 1


def test_webhook_that_hangs_holds_up_nothing(pgusher, receiver):
    """Neither queries, nor the console, nor the end of the process."""
    r = receiver("hang")
    p = start(pgusher, alert_webhook_url=r.url, alert_cooldown=0, alert_query_time=1000)
    sleep(p, seconds=1.3, times=3)
    r.wait(1)
    assert p.value("SELECT 1") == 1
    assert len(wait_alerts(p, 3)) == 3
    assert {x["delivery"] for x in p.console("SHOW ALERTS")} == {"pending"}
    assert p.quit() == 0
    assert "webhook: 3 alerts were not delivered: shutting down" in p.log()
    assert len(r.received) == 1


def test_webhook_changes_with_reload(pgusher, receiver):
    first, second = receiver(), receiver()
    p = start(pgusher, alert_cooldown=0, alert_webhook_url=first.url, alert_webhook_secret=SECRET)
    sleep(p)
    first.wait(1)
    p.change(alert_webhook_url=second.url, alert_webhook_secret="a new one")
    sleep(p)
    headers, body, _ = second.wait(1)[0]
    assert verify(headers, body, "a new one")
    p.change(alert_webhook_url="")
    sleep(p)
    assert wait_alerts(p, 3)[0]["delivery"] == "none"
    assert (len(first.received), len(second.received)) == (1, 1)


def test_webhook_secrets_are_not_shown(pgusher, receiver):
    """The address is one, too."""
    r = receiver(404)
    p = start(pgusher, alert_webhook_url=r.url, alert_webhook_secret=SECRET, verbose=2)
    sleep(p)
    r.wait(1)
    wait_until(lambda: p.console("SHOW ALERTS")[0]["delivery"] == "failed")
    told = p.log() + str(p.console("SHOW CONFIG")) + str(p.console("SHOW ALERTS"))
    assert "KEY-IN-URL" not in told and SECRET not in told


def test_alerts_of_a_tenant_that_nobody_defined(pgusher, receiver):
    """Its name was made up by a client: it is quoted where it is told."""
    r = receiver()
    p = start(pgusher, databases={"*": "{pg} dbname=shop"}, alert_webhook_url=r.url)
    name = 'x"\\} é €'
    sleep(p, dbname=name)
    r.wait(1)
    assert r.bodies()[0]["tenant"] == name
    assert wait_alerts(p)[0]["tenant"] == name
