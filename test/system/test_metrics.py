"""GET /metrics: what scrapers make of it, that its numbers are the console's, and that its size has a bound.

etc/grafana and etc/prometheus are looked at here, too: they live on the names of metrics.  PGUSHER_WRITE_DOC=1 writes
the table of doc/metrics.md anew.
"""

import concurrent.futures
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from decimal import Decimal

import pytest

import wire
from helpers import PATIENCE, TOP, as_user, end_with_us, free_port, give_away, make_dir, remove_dir, run, wait_until

pytestmark = pytest.mark.ours("has no metrics")

openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser",
                                  reason="python3-prometheus-client is not installed")
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus is not installed")

OPEN = "application/openmetrics-text; version=1.0.0"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = TRACE.split("-")[1]
PROMETHEUS = TOP / "etc/prometheus"
DASHBOARD = TOP / "etc/grafana/pgusher.json"
DOCUMENT = TOP / "doc/metrics.md"


def get(p, accept=OPEN, path="/metrics", method="GET"):
    host, _, port = p.settings["http_listen"].rpartition(":")
    c = http.client.HTTPConnection(host, int(port), timeout=20 * PATIENCE)
    try:
        c.request(method, path, headers={"Accept": accept} if accept else {})
        r = c.getresponse()
        return r.status, dict(r.getheaders()), r.read().decode()
    finally:
        c.close()


def text_of(p, accept=OPEN):
    status, _, text = get(p, accept)
    assert status == 200, text
    return text


SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)( # .*)?')


def unescaped(value):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)


class Scrape(dict):
    """(name, ((label, value), ...)) -> Decimal: to the last digit, which floats would lose."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            found = SAMPLE.fullmatch(line)
            assert found, line
            labels = tuple(sorted((k, unescaped(v)) for k, v in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or "")))
            assert (found[1], labels) not in self, f"twice: {line}"
            self[found[1], labels] = Decimal(found[3])

    def value(self, sample, **labels):
        return self[sample, tuple(sorted(labels.items()))]

    def by(self, sample, label):
        """Label value -> value, of a sample with this label alone."""
        return {labels[0][1]: v for (n, labels), v in self.items()
                if n == sample and len(labels) == 1 and labels[0][0] == label}

    @property
    def names(self):
        return {name for name, _ in self}


def scrape(p, accept=OPEN):
    return Scrape(text_of(p, accept))


@pytest.fixture
def metered(pgusher):
    """pgusher with HTTP."""
    def start(**settings):
        settings = {"pool_mode": "transaction", "workers": 2, **settings}
        return pgusher(http_listen=f"127.0.0.1:{free_port()}", **settings)
    return start


# What some metrics are only told with: a size that is found out, a limit, a catalogue (that can't be reached).
EVERYTHING = dict(metrics_application_label=1, default_pool_size="auto", tenant_catalogue="host=127.0.0.1 port=1 dbname=x",
                  sections={"limits": {"tenant": "queries=100000"}})


def be_busy(p):
    """A bit of everything."""
    for tenant, times in (("shop", 3), ("mill", 1)):
        with p.connect(tenant) as c:
            for _ in range(times):
                c.execute("SELECT generate_series(1, 10)")
    with p.wire("shop") as c:
        c.ask(wire.parse("s", "SELECT 1"), wire.bind(statement="s"), wire.execute(), wire.SYNC)
    with p.connect("forge") as c:
        with pytest.raises(Exception):
            c.execute("SELECT 1/0")


# ---- what scrapers make of it ----

def test_openmetrics(metered):
    p = metered(metrics_pgbouncer_names=1, **EVERYTHING)
    be_busy(p)
    status, headers, text = get(p)
    assert status == 200
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.endswith("\n# EOF\n")
    families = list(openmetrics.text_string_to_metric_families(text))
    assert len(families) > 90
    for f in families:
        assert f.documentation and not f.documentation.endswith("."), f.name
        assert f.name.startswith(("pgusher_", "pgbouncer_"))
        if f.name.startswith("pgusher_"):
            assert f.unit == next((u for u in ("seconds", "bytes") if f.name.endswith("_" + u)), ""), f.name
        assert f.samples, f.name


def test_the_older_format(metered):
    p = metered(metrics_pgbouncer_names=1)
    be_busy(p)
    for accept in (None, "*/*", "text/plain;version=0.0.4", "application/openmetrics-text;q=0.1,text/plain"):
        status, headers, text = get(p, accept)
        assert status == 200
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# EOF" not in text and "# UNIT" not in text
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert families["pgusher_queries"].type == "counter"
    assert families["pgusher_build_info"].type == "gauge"
    assert families["pgusher_query_duration_seconds"].type == "histogram"


def test_both_formats_say_the_same(metered):
    p = metered(metrics_pgbouncer_names=1, metrics_application_label=1)
    be_busy(p)
    moving = re.compile("pgusher_(process_|scrape_|worker_visit_)")
    new, old = ({k: v for k, v in scrape(p, a).items() if not moving.match(k[0])} for a in (OPEN, "text/plain"))
    assert new == old


@needs_promtool
def test_promtool_check_metrics(metered):
    p = metered(metrics_application_label=1)
    be_busy(p)
    path = p.dir / "metrics"
    path.write_text(text_of(p, "text/plain"))
    got = run(["sh", "-c", f"promtool check metrics <{path}"], check=False)
    assert got.returncode == 0 and not got.stdout.strip(), got.stdout


def test_others_than_get(metered):
    p = metered()
    assert get(p, method="HEAD")[2] == ""
    assert get(p, method="POST")[0] in (401, 405)


def test_many_at_once_and_some_that_leave(metered):
    """Who leaves before the answer is there does no harm."""
    p = metered()
    be_busy(p)
    port = int(p.settings["http_listen"].rpartition(":")[2])

    def leave(_):
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(40)))
        texts = list(pool.map(lambda _: text_of(p), range(20)))
    assert len({Scrape(t).value("pgusher_queries_total") for t in texts}) == 1
    assert p.alive


# ---- its numbers are the console's ----

TRAFFIC = {
    "server_assignments_total": "total_server_assignment_count", "transactions_total": "total_xact_count",
    "requests_total": "total_query_count", "received_bytes_total": "total_received", "sent_bytes_total": "total_sent",
    "transaction_seconds_total": "total_xact_time", "request_seconds_total": "total_query_time",
    "client_wait_seconds_total": "total_wait_time", "client_parses_total": "total_client_parse_count",
    "server_parses_total": "total_server_parse_count", "binds_total": "total_bind_count",
    "logins_total": "total_client_login_count",
}


def test_traffic_is_show_stats(metered):
    p = metered()
    be_busy(p)
    rows = {r["database"]: r for r in p.console("SHOW STATS") if r["database"] != "pgbouncer"}
    s = scrape(p)
    assert set(rows) == {"shop", "mill", "forge"}
    for name, column in TRAFFIC.items():
        scale = Decimal(1000000) if "seconds" in name else 1
        for tenant, row in rows.items():
            assert s.value(f"pgusher_tenant_{name}", tenant=tenant) * scale == row[column], (name, tenant)
        assert s.value(f"pgusher_{name}") * scale == sum(r[column] for r in rows.values()), name
    assert s.value("pgusher_tenant_binds_total", tenant="shop") == 1


def test_queries_are_show_tenants(metered):
    p = metered()
    be_busy(p)
    rows = {r["tenant"]: r for r in p.console("SHOW TENANTS")}
    s = scrape(p)
    assert set(rows) >= {"shop", "mill", "forge"}
    for tenant in ("shop", "mill", "forge"):
        row = rows[tenant]
        for name, column in {"queries": "calls", "query_errors": "errors", "slow_queries": "slow", "query_rows": "rows",
                             "query_received_bytes": "bytes_in", "query_sent_bytes": "bytes_out"}.items():
            assert s.value(f"pgusher_tenant_{name}_total", tenant=tenant) == row[column], (name, tenant)
        assert s.value("pgusher_tenant_query_server_seconds_total", tenant=tenant) * 1000 == row["total_ms"]
        assert s.value("pgusher_tenant_query_duration_seconds_count", tenant=tenant) == row["calls"]
        assert s.value("pgusher_tenant_query_duration_seconds_sum", tenant=tenant) * 1000 == row["total_ms"]
    assert s.value("pgusher_tenant_query_errors_total", tenant="forge") == 1
    assert s.value("pgusher_tenant_query_rows_total", tenant="shop") == 31


def sums(s):
    """Of every metric that is told by tenant, all tenants together are what is told of all."""
    checked = 0
    for name in sorted(s.names):
        if not name.startswith("pgusher_tenant_") or "_bucket" in name or "max_wait" in name:
            continue
        whole = name.replace("pgusher_tenant_", "pgusher_")
        if (whole, ()) in s:
            assert sum(s.by(name, "tenant").values()) == s.value(whole), name
            checked += 1
    assert checked > 20
    for le in ("0.005", "0.025", "0.1", "0.5", "1.0", "5.0", "+Inf"):
        parts = [v for (n, labels), v in s.items()
                 if n == "pgusher_tenant_query_duration_seconds_bucket" and dict(labels)["le"] == le]
        assert sum(parts) == s.value("pgusher_query_duration_seconds_bucket", le=le), le


def test_sums(metered):
    p = metered(metrics_top_tenants=2)
    be_busy(p)
    s = scrape(p)
    assert len(s.by("pgusher_tenant_queries_total", "tenant")) == 3
    assert s.value("pgusher_tenants_unnamed") == 1
    sums(s)
    be_busy(p)
    sums(scrape(p))


def test_durations(metered):
    p = metered(slow_query_threshold=100)
    with p.connect() as c:
        for seconds in (0, 0, 0.03, 0.03, 0.2):
            c.execute(f"SELECT pg_sleep({seconds})")
    s = scrape(p)
    buckets = {dict(labels)["le"]: v for (n, labels), v in s.items() if n == "pgusher_query_duration_seconds_bucket"}
    bounds = [b for b in buckets if b != "+Inf"]
    assert bounds == ["0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0"]
    assert [buckets[b] for b in bounds] == sorted(buckets[b] for b in bounds)
    assert buckets["10.0"] == buckets["+Inf"] == s.value("pgusher_query_duration_seconds_count") == 5
    assert buckets["0.025"] <= 2 and buckets["0.1"] <= 4
    assert s.value("pgusher_slow_queries_total") >= 1
    assert s.value("pgusher_query_duration_seconds_sum") >= Decimal("0.26")
    assert s.value("pgusher_query_first_byte_seconds_total") <= s.value("pgusher_query_server_seconds_total")


def test_states(metered):
    p = metered(databases={"shop": "{pg} pool_size=1"})
    with p.connect("shop") as holder, p.connect("mill") as idle, p.wire("shop") as waiter:
        idle.execute("SELECT 1")
        holder.autocommit = False
        holder.execute("SELECT 1")
        waiter.send(wire.query("SELECT 1"))
        s = wait_until(lambda: (s := scrape(p)).value("pgusher_clients", state="waiting") == 1 and s, 5)
        assert s.by("pgusher_clients", "state") == {"login": 0, "idle": 1, "active": 1, "waiting": 1}
        assert s.value("pgusher_client_connections") == 3
        assert s.value("pgusher_client_connections_limit") == 100
        assert s.by("pgusher_tenant_clients_waiting", "tenant") == {"shop": 1, "mill": 0, "other": 0}
        assert s.by("pgusher_tenant_clients", "tenant") == {"shop": 2, "mill": 1, "other": 0}
        assert s.by("pgusher_servers", "state") == {"login": 0, "idle": 1, "active": 1, "tested": 0, "being_canceled": 0}
        assert s.value("pgusher_pools") == 2 and s.value("pgusher_pools_waiting") == 1
        assert s.value("pgusher_max_wait_seconds") > 0
        assert s.value("pgusher_tenant_max_wait_seconds", tenant="shop") > 0
        assert s.value("pgusher_tenant_max_wait_seconds", tenant="mill") == 0
        assert s.value("pgusher_tenants") == 2
        assert s.value("pgusher_tenants_configured") == len(p.databases)
        assert s.value("pgusher_workers") == 2 and s.value("pgusher_paused") == 0
        holder.rollback()
        waiter.until_ready()
    assert scrape(p).value("pgusher_query_wait_seconds_total") > 0


def test_without_query_statistics(metered):
    p = metered(query_stats=0)
    be_busy(p)
    s = scrape(p)
    assert s.value("pgusher_queries_total") == s.value("pgusher_query_duration_seconds_count") == 0
    assert s.value("pgusher_requests_total") > 0
    assert set(s.by("pgusher_tenant_requests_total", "tenant")) == {"shop", "mill", "forge", "other"}


def test_paused(metered):
    p = metered()
    p.console("PAUSE")
    assert scrape(p).value("pgusher_paused") == 1
    p.console("RESUME")
    assert scrape(p).value("pgusher_paused") == 0


def test_process(metered):
    p = metered()
    s = scrape(p)
    stat = os.stat(f"/proc/{p.process.pid}")
    assert abs(float(s.value("pgusher_process_start_time_seconds")) - stat.st_ctime) < 5
    assert 0 < s.value("pgusher_process_cpu_seconds_total") < 60
    assert s.value("pgusher_process_resident_memory_bytes") > 1 << 20
    opened = len(os.listdir(f"/proc/{p.process.pid}/fd"))
    assert abs(s.value("pgusher_process_open_fds") - opened) <= 2
    assert s.value("pgusher_process_max_fds") > opened
    assert 0 <= s.value("pgusher_scrape_visit_seconds") < 5
    version = run([p.process.args[0], "--version"]).stdout.split()[1]
    assert s.value("pgusher_build_info", version=version) == 1


def test_settings_that_were_taken(metered):
    p = metered()
    first = scrape(p).value("pgusher_config_timestamp_seconds")
    p.change(metrics_top_tenants=7)
    second = scrape(p).value("pgusher_config_timestamp_seconds")
    assert second > first
    p.settings["metrics_top_tenants"] = "nonsense"
    p.write()
    with pytest.raises(Exception):
        p.console("RELOAD")
    assert scrape(p).value("pgusher_config_timestamp_seconds") == second


def test_logins_that_failed(metered):
    p = metered(auth_type="scram-sha-256")
    p.refused(password="wrong")
    p.refused(user="nobody", password="wrong")
    p.value("SELECT 1")
    s = scrape(p)
    assert s.value("pgusher_failed_logins_total") == 2
    assert s.value("pgusher_logins_total") == 1


def test_handshakes(metered, certs):
    from certs import careless
    p = metered(client_tls_sslmode="allow", client_tls_cert_file=certs.server.cert,
                client_tls_key_file=certs.server.key)
    with wire.Client.connect(p.host, p.port, careless()) as c:
        assert c.login("shop", "app", "app-secret").kind == "Z"
    with wire.Client.connect_plain(p.host, p.port) as c:
        c.send(wire.ssl_request())
        c.read(1)
        c.send(b"this is no handshake")
        c.until_closed()
    s = scrape(p)
    assert s.value("pgusher_tls_handshakes_total") == 1
    assert s.value("pgusher_tls_handshake_failures_total") == 1


def test_reset(metered):
    p = metered(metrics_application_label=1)
    be_busy(p)
    before = scrape(p)
    p.console("RESET STATS")
    s = scrape(p)
    assert s.value("pgusher_queries_total") == 0
    assert s.value("pgusher_query_duration_seconds_count") == 0
    assert set(s.by("pgusher_tenant_queries_total", "tenant").values()) == {0}
    assert set(s.by("pgusher_application_queries_total", "application").values()) == {0}
    assert s.value("pgusher_requests_total") == before.value("pgusher_requests_total") > 0
    assert s.value("pgusher_query_statistics_start_time_seconds") > before.value("pgusher_query_statistics_start_time_seconds")
    sums(s)


# ---- traces and applications ----

def test_exemplars(metered):
    p = metered(slow_query_threshold=50, slow_query_log="off")
    with p.connect("shop") as c:
        c.execute(f"SELECT pg_sleep(1.2) /*traceparent='{TRACE}'*/")
        c.execute("SELECT pg_sleep(0.06)")
    with p.connect("mill") as c:
        c.execute("SELECT pg_sleep(0.06) /*traceparent='nonsense'*/")

    def told():
        text = text_of(p)
        return "trace_id" in text and text
    text = wait_until(told, 5, "the monitor knows the query")
    found = {}
    for f in openmetrics.text_string_to_metric_families(text):
        for s in f.samples:
            if s.exemplar:
                found[s.name, tuple(sorted(s.labels.items()))] = s.exemplar
    assert set(found) == {
        ("pgusher_slow_queries_total", ()),
        ("pgusher_tenant_slow_queries_total", (("tenant", "shop"),)),
        ("pgusher_query_duration_seconds_bucket", (("le", "2.5"),)),
        ("pgusher_tenant_query_duration_seconds_bucket", (("le", "5.0"), ("tenant", "shop"))),
    }, found
    for x in found.values():
        assert x.labels == {"trace_id": TRACE_ID}
        assert 1 <= x.value < 2.5
        assert float(x.timestamp) > 1.6e9
    assert "trace_id" not in text_of(p, "text/plain")


def test_applications(metered):
    p = metered(metrics_application_label=1)
    with p.connect("shop") as c:
        for name, times in (("erp", 3), ("web%20shop", 2), ("other", 1), ("none", 1)):
            for _ in range(times):
                c.execute(f"SELECT 1 /*application='{name}'*/")
        c.execute("SELECT 1")
    s = scrape(p)
    assert s.by("pgusher_application_queries_total", "application") == {"erp": 3, "web shop": 2, "none": 1, "other": 2}
    with p.connect("shop") as c, p.connect("mill") as d:
        for i in range(150):
            for connection in (c, d):
                connection.execute(f"SELECT 1 /*application='a{i}'*/")
    s = scrape(p)
    apps = s.by("pgusher_application_queries_total", "application")
    assert len(apps) == 102 and apps["other"] > 2
    assert sum(apps.values()) == s.value("pgusher_queries_total") == 308
    p.change(metrics_application_label=0)
    assert "pgusher_application_queries_total" not in scrape(p).names


# ---- its size has a bound ----

def test_few_of_many_tenants(metered):
    """However many tenants there are: the busiest few, and nothing is lost or told twice; no counter falls."""
    p = metered(databases={"*": "{pg} dbname=shop"}, metrics_top_tenants=5, metrics_pgbouncer_names=1,
                default_pool_size=1, server_idle_timeout=1)
    asked = Counter()

    def ask(tenant, seconds, times=1):
        with p.connect(tenant) as c:
            for _ in range(times):
                c.execute(f"SELECT pg_sleep({seconds})")
        asked[tenant] += times

    for i in range(40):
        ask(f"tenant{i:02d}", 1 if i % 8 == 0 else 0)
    first = scrape(p)
    told = first.by("pgusher_tenant_queries_total", "tenant")
    assert set(told) == {"other"} | {f"tenant{i:02d}" for i in range(0, 40, 8)}
    assert told.pop("other") == 35 and set(told.values()) == {1}
    assert first.value("pgusher_tenants_unnamed") == 35
    sums(first)

    before = first
    for step in range(6):
        ask(f"tenant{step + 1:02d}", 0.5, step + 2)
        s = scrape(p)
        sums(s)
        assert s.value("pgusher_queries_total") == sum(asked.values())
        assert sum(s.by("pgbouncer_stats_totals_queries_pooled_total", "database").values()) == sum(asked.values())
        assert len(s.by("pgusher_tenant_queries_total", "tenant")) <= 5 + 2
        for key, value in before.items():
            if key[0].endswith(("_total", "_bucket", "_count", "_sum")) and key in s:
                assert s[key] >= value, key
        before = s
    assert s.value("pgusher_tenant_queries_total", tenant="former") > 0
    assert "tenant06" in s.by("pgusher_tenant_queries_total", "tenant")
    names = {v for _, labels in s for k, v in labels if k in ("tenant", "database", "name")}
    assert len(names - {"shop"}) <= 7


def test_names_of_tenants(metered):
    """What a client asks for becomes a label, and nothing else."""
    p = metered(databases={"*": "{pg} dbname=shop"}, metrics_pgbouncer_names=1)
    names = ['a"b\\c', "o'brien", "müller", "x{y=\"1\"} 2", "new\nline", "other", "former", "é" * 100]
    for name in names:
        p.value("SELECT 1", name)
    with wire.Client.connect_plain(p.host, p.port) as c:
        c.send(startup_bytes(b"user\0app\0database\0\xff\xfe\0\0"))
        c.until_ready()
        c.ask(wire.query("SELECT 1"))
    text = text_of(p)
    list(openmetrics.text_string_to_metric_families(text))
    s = Scrape(text)
    told = s.by("pgusher_tenant_queries_total", "tenant")
    assert told == {'a"b\\c': 1, "o'brien": 1, "müller": 1, "x{y=\"1\"} 2": 1, "new\nline": 1, "other": 4}
    sums(s)
    list(text_string_to_metric_families(text_of(p, "text/plain")))


def startup_bytes(parameters):
    body = b"\x00\x03\x00\x00" + parameters
    return (len(body) + 4).to_bytes(4, "big") + body


def test_none_by_name(metered):
    p = metered(metrics_top_tenants=0)
    be_busy(p)
    s = scrape(p)
    assert set(s.by("pgusher_tenant_queries_total", "tenant")) == {"other"}
    sums(s)


def test_a_tenant_that_goes_and_comes(metered):
    """What a dropped database had counted stays in the sums."""
    p = metered(databases={"*": "{pg} dbname=shop"}, autodb_idle_timeout=4)
    for tenant in ("a", "b"):
        p.value("SELECT 1", tenant)
    assert scrape(p).by("pgusher_tenant_queries_total", "tenant") == {"a": 1, "b": 1, "other": 0}
    s = wait_until(lambda: (s := scrape(p)).value("pgusher_tenants") == 0 and s, 20)
    assert s.value("pgusher_queries_total") == s.value("pgusher_requests_total") == 2
    assert s.by("pgusher_tenant_queries_total", "tenant") == {"other": 0, "former": 2}
    sums(s)
    p.value("SELECT 1", "a")
    s = scrape(p)
    assert s.by("pgusher_tenant_queries_total", "tenant") == {"a": 1, "other": 0, "former": 2}
    sums(s)


# ---- PgBouncer's names ----

POOLS = {"client_active_connections": "cl_active", "client_active_cancel_connections": "cl_active_cancel_req",
         "client_waiting_connections": "cl_waiting", "client_waiting_cancel_connections": "cl_waiting_cancel_req",
         "server_active_connections": "sv_active", "server_active_cancel_connections": "sv_active_cancel",
         "server_being_canceled_connections": "sv_being_canceled", "server_idle_connections": "sv_idle",
         "server_used_connections": "sv_used", "server_testing_connections": "sv_tested",
         "server_login_connections": "sv_login"}
STATS = {"queries_pooled_total": "query_count", "queries_duration_seconds_total": "query_time",
         "received_bytes_total": "bytes_received", "sent_bytes_total": "bytes_sent",
         "client_wait_seconds_total": "wait_time", "sql_transactions_pooled_total": "xact_count",
         "server_in_transaction_seconds_total": "xact_time", "client_parses_total": "client_parse_count",
         "server_parses_total": "server_parse_count", "binds_total": "bind_count"}
DATABASES = {"pool_size": "pool_size", "reserve_pool": "reserve_pool_size", "max_connections": "max_connections",
             "current_connections": "current_connections", "paused": "paused", "disabled": "disabled"}
LISTS = ["databases", "users", "pools", "free_clients", "used_clients", "login_clients", "free_servers", "used_servers",
         "cached_dns_names", "cached_dns_zones", "in_flight_dns_queries"]


def test_pgbouncers_names(metered):
    p = metered(metrics_pgbouncer_names=1)
    be_busy(p)
    assert not {n for n in scrape(p).names if n.startswith("pgbouncer")} - {
        *(f"pgbouncer_pools_{n}" for n in [*POOLS, "client_maxwait_seconds"]),
        *(f"pgbouncer_stats_totals_{n}" for n in STATS), *(f"pgbouncer_databases_{n}" for n in DATABASES),
        *(f"pgbouncer_{n}" for n in LISTS), "pgbouncer_version_info", "pgbouncer_up",
        "pgbouncer_config_max_client_connections", "pgbouncer_config_max_user_connections"}
    with p.connect("shop") as c, p.connect("mill", user="app2"):
        c.autocommit = False
        c.execute("SELECT 1")
        pools, stats, databases = (p.console(f"SHOW {w}") for w in ("POOLS", "STATS_TOTALS", "DATABASES"))
        s = scrape(p)
    ours = [r for r in pools if r["database"] != "pgbouncer"]
    assert {(r["database"], r["user"]) for r in ours} == {("shop", "app"), ("mill", "app"), ("mill", "app2"), ("forge", "app")}
    for r in ours:
        for name, column in POOLS.items():
            assert s.value(f"pgbouncer_pools_{name}", database=r["database"], user=r["user"]) == r[column], (name, r)
    assert s.value("pgbouncer_pools_server_active_connections", database="shop", user="app") == 1
    for r in stats:
        for name, column in STATS.items():
            if r["database"] != "pgbouncer":
                scale = Decimal(1000000) if "seconds" in name else 1
                assert s.value(f"pgbouncer_stats_totals_{name}", database=r["database"]) * scale == r[column], (name, r)
    for r in databases:
        if r["name"] not in ("shop", "mill", "forge"):
            continue
        labels = {"name": r["name"], "host": r["host"], "port": str(r["port"]), "database": r["database"],
                  "force_user": r["force_user"] or "", "pool_mode": r["pool_mode"] or ""}
        for name, column in DATABASES.items():
            assert s.value(f"pgbouncer_databases_{name}", **labels) == r[column], (name, r)
    lists = {r["list"]: r["items"] for r in p.console("SHOW LISTS")}
    for name in ("databases", "pools", "used_servers"):
        assert s.value(f"pgbouncer_{name}") == lists[name], name
    assert s.value("pgbouncer_up") == 1
    p.change(metrics_pgbouncer_names=0)
    assert not {n for n in scrape(p).names if n.startswith("pgbouncer")}


def test_users_of_a_pool(metered):
    """However many users a tenant has, a few are told by name, and the rest is told, too."""
    p = metered(metrics_pgbouncer_names=1, databases={"shop": "{pg}"}, auth_type="trust",
                userlist={f"u{i}": "secret" for i in range(12)})
    with p.pg.connect() as c:
        for i in range(12):
            c.execute(f"DO $$BEGIN CREATE ROLE u{i} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$")
    connections = [p.connect("shop", user=f"u{i}") for i in range(12)]
    try:
        s = scrape(p)
    finally:
        for c in connections:
            c.close()
    told = {dict(labels)["user"]: v for (n, labels), v in s.items()
            if n == "pgbouncer_pools_client_active_connections" and dict(labels)["database"] == "shop"}
    assert len(told) == 9 and sum(told.values()) == 12
    assert told["other"] == 4


# ---- doc/metrics.md ----

def described(p):
    """The lines of the document's table, as the program has it."""
    lines, labels = [], {}
    families = list(openmetrics.text_string_to_metric_families(text_of(p)))
    for f in families:
        for s in f.samples:
            labels.setdefault(f.name, []).extend(k for k in s.labels if k not in labels[f.name] and k != "le")
    suffix = {"counter": "_total", "info": "_info"}
    for f in families:
        name = f.name + suffix.get(f.type, "")
        lines.append(f"| `{name}` | {f.type} | {', '.join(labels[f.name])} | {f.documentation} |")
    return lines


def test_document(metered):
    p = metered(metrics_pgbouncer_names=1, **EVERYTHING)
    be_busy(p)
    lines = described(p)
    text = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    if os.environ.get("PGUSHER_WRITE_DOC"):
        for prefix in ("pgusher", "pgbouncer"):
            rows = "\n".join(line for line in lines if line.startswith(f"| `{prefix}_"))
            text = re.sub(rf"(\| name \| type \| labels \| what \|\n\|---\|---\|---\|---\|\n)(\| `{prefix}_.*\n)+",
                          lambda m: m[1] + rows + "\n", text)
        DOCUMENT.write_text(text)
    written = [line for line in text.splitlines() if line.startswith("| `pg")]
    assert written == lines


# ---- etc/grafana, etc/prometheus ----

def all_names(metered):
    p = metered(**EVERYTHING)
    be_busy(p)
    return scrape(p).names | {"up"}


def names_in(expr):
    """The metrics of an expression: words before a { or [ or at an end, that are no function, label or keyword."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"[a-zA-Z_][\w:]*(?!\s*\()(?![\w:])", bare)) - {"and", "or", "unless", "le", "bool"}


def queries_of(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel, target["expr"]
    for a in dashboard["annotations"]["list"]:
        if "expr" in a:
            yield a, a["expr"]


def test_dashboard(metered):
    d = json.loads(DASHBOARD.read_text())
    assert d["schemaVersion"] >= 39 and d["uid"] == "pgusher"
    ids = [panel["id"] for panel in d["panels"]]
    assert len(ids) == len(set(ids))
    variables = {v["name"]: v for v in d["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    cells = set()
    for panel in d["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        mine = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])}
        assert not mine & cells, panel["title"]
        cells |= mine
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    known = all_names(metered)
    for what, expr in queries_of(d):
        missing = names_in(expr) - known
        assert not missing, (what.get("title") or what["name"], missing)
        assert set(re.findall(r"\$(?:\{(\w+)\}|(\w+))", expr)) <= {("", n) for n in [*variables, "__rate_interval"]}
    for v in variables.values():
        if v["type"] == "query":
            assert re.match(r"label_values\((\w+)", v["definition"])[1] in known


@needs_promtool
def test_dashboards_expressions_are_right():
    rules = [{"record": f"x:{i}", "expr": re.sub(r"\$__rate_interval", "5m", expr)}
             for i, (_, expr) in enumerate(queries_of(json.loads(DASHBOARD.read_text())))]
    folder = make_dir("pgu-rules-")
    try:
        (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
        run(["promtool", "check", "rules", folder / "rules.yml"])
    finally:
        remove_dir(folder)


def test_rules_use_what_there_is(metered):
    known = all_names(metered)
    recorded, used = set(), set()
    for path in ("rules.yml", "alerts.yml"):
        text = (PROMETHEUS / path).read_text()
        recorded |= set(re.findall(r"- record: (\S+)", text))
        for expr in re.findall(r"expr: (?:>-\n((?: {10}.*\n)+)|(.*))", text):
            used |= names_in("".join(expr))
    assert len(recorded) >= 10
    assert not used - known - recorded, used - known - recorded
    assert len(used & known) > 15


def with_token(text, token_file):
    """prometheus.yml with the lines that are commented out for who needs no token."""
    lines = ("authorization:", "  type: Bearer", "  credentials_file: /etc/prometheus/pgusher.token")
    for line in lines:
        assert text.count(f"    # {line}\n") == 1
        text = text.replace(f"    # {line}\n", f"    {line}\n")
    return text.replace("/etc/prometheus/pgusher.token", str(token_file))


@needs_promtool
def test_promtool_check_config():
    """As it stands nothing else is needed, no file with a token, either."""
    folder = make_dir("pgu-prometheus-")
    try:
        for name in ("rules.yml", "alerts.yml"):
            shutil.copy(PROMETHEUS / name, folder)
        (folder / "token").write_text("secret")
        text = (PROMETHEUS / "prometheus.yml").read_text()
        for variant in (text, with_token(text, folder / "token")):
            (folder / "prometheus.yml").write_text(variant)
            got = run(["promtool", "check", "config", folder / "prometheus.yml"])
            assert "2 rule files found" in got.stdout
            assert got.stdout.count("SUCCESS") == 4
    finally:
        remove_dir(folder)


@needs_promtool
def test_promtool_test_rules():
    got = run(["promtool", "test", "rules", "rules_test.yml"], cwd=PROMETHEUS)
    assert "SUCCESS" in got.stdout
    tested = set(re.findall(r"alertname: (\w+)", (PROMETHEUS / "rules_test.yml").read_text()))
    alerts = set(re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text()))
    assert tested == alerts


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's prometheus is not installed")
def test_prometheus(metered):
    """The real one, configured as etc/prometheus says, where a token is asked for."""
    token = "f00d" * 8
    p = metered(http_auth="token", metrics_pgbouncer_names=1, slow_query_threshold=50, slow_query_log="off",
                tokens={"prometheus": f"sha256:{hashlib.sha256(token.encode()).hexdigest()} scope=read"})
    assert get(p)[0] == 401
    with p.connect("shop") as c:
        c.execute(f"SELECT pg_sleep(0.07) /*traceparent='{TRACE}'*/")
    folder = make_dir("pgu-prometheus-")
    port = free_port()
    for name in ("rules.yml", "alerts.yml"):
        shutil.copy(PROMETHEUS / name, folder)
    (folder / "token").write_text(token)
    text = with_token((PROMETHEUS / "prometheus.yml").read_text(), folder / "token")
    for ours, here in (("127.0.0.1:8432", p.settings["http_listen"]), ("interval: 15s", "interval: 1s")):
        assert ours in text
        text = text.replace(ours, here)
    (folder / "prometheus.yml").write_text(text)
    for path in folder.iterdir():
        give_away(path)

    def ask(path, **parameters):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(parameters),
                                    timeout=20 * PATIENCE) as r:
            return json.load(r)["data"]

    def query(expr):
        try:
            return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in ask("query", query=expr)["result"]}
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            return {}

    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_us(), **as_user())
    try:
        wait_until(lambda: query("up == 1"), 30, "Prometheus has scraped")
        assert list(query("pgusher_queries_total").values()) == [1]
        assert list(query('pgbouncer_stats_totals_queries_pooled_total{database="shop"}').values()) == [1]
        wait_until(lambda: query("job_instance:pgusher_client_connections:utilization"), 10, "rules are evaluated")
        for group in ask("rules")["groups"]:
            for rule in group["rules"]:
                assert rule["health"] in ("ok", "unknown"), rule
        (target,) = ask("targets")["activeTargets"]
        assert target["lastError"] == "" and target["health"] == "up"
        now = time.time()

        def exemplars():
            return ask("query_exemplars", query="pgusher_slow_queries_total", start=now - 600, end=now + 600)
        (series,) = wait_until(exemplars, 10, "Prometheus has the exemplar")
        assert series["exemplars"][0]["labels"] == {"trace_id": TRACE_ID}
    finally:
        process.terminate()
        process.wait(60)
        remove_dir(folder)


# ---- hosts, limits, bans, the catalogue ----

def test_hosts_are_show_hosts(metered):
    p = metered(**EVERYTHING)
    be_busy(p)
    row = wait_until(lambda: (r := p.console("SHOW HOSTS")) and r[0]["used"] > 0 and r[0], 20)
    host = f"{row['host']}:{row['port']}"
    s = scrape(p)
    assert s.value("pgusher_host_connections", host=host) == row["used"]
    assert s.value("pgusher_host_tenants", host=host) == row["tenants"]
    assert s.value("pgusher_host_up", host=host) == 1
    assert row["pace"] != "off" and s.value("pgusher_host_pace_limit", host=host) >= 1


def test_limits_bans_and_the_catalogue(metered):
    p = metered(**EVERYTHING)
    be_busy(p)
    p.console("BAN 192.0.2.7")
    s = scrape(p)
    assert s.value("pgusher_bans") == 1
    assert s.value("pgusher_catalogue_up") == 0
    assert s.value("pgusher_limit_refusals_total", scope="tenant", kind="queries") == 0
    assert s.value("pgusher_threats_total", action="told") == 0
    rows = p.console("SHOW LIMITS shop")
    assert [(r["scope"], r["name"], r["kind"], r["limit"], r["mode"]) for r in rows] == \
        [("tenant", "shop", "queries", 100000, "enforce")]
    assert rows[0]["passed"] > 0


def test_nothing_is_told_of_what_there_is_not(metered):
    p = metered()
    be_busy(p)
    names = scrape(p).names
    assert not [n for n in names if n.startswith(("pgusher_catalogue_", "pgusher_limit_", "pgusher_host_pace_"))]
    assert "pgusher_host_connections" in names
