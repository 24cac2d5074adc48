"""The dashboard, in a real Chromium: what it shows is what the API says, it can be used without a mouse and read in
the dark, what peers send stays text, and nothing is asked of anybody else."""

import decimal
import hashlib
import json
import math
import re
import signal
import threading
import urllib.error
import urllib.request

import psycopg
import pytest

import browser as browsers
from helpers import free_port, wait_until

pytestmark = [
    pytest.mark.ours("shows a page"),
    pytest.mark.skipif(browsers.MISSING is not None, reason=str(browsers.MISSING)),
    pytest.mark.timeout(120),
]

EVIL = ["<script>window.hacked=1</script>", 'a"b\'c&amp;', "<img src=x onerror=window.hacked=1>"]
SLOW_MS = 150
FILES = ("/", "/style.css", "/script.js")
TOKEN = "a-token-for-the-page"


# ---- what is looked at ----

def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def serving(pgusher, **settings):
    """A program under test with its page."""
    port = free_port()
    p = pgusher(http_listen=f"127.0.0.1:{port}", slow_query_threshold=f"{SLOW_MS}ms", **settings)
    p.web = f"http://127.0.0.1:{port}"
    return p


def fetch(p, path, token=None):
    request = urllib.request.Request(p.web + path)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    return urllib.request.urlopen(request, timeout=10)


def api(p, path, **kwargs):
    with fetch(p, path, **kwargs) as answer:
        return json.load(answer)


def ask(p, tenant, *queries, **kwargs):
    with p.connect(tenant, **kwargs) as c:
        for q in queries:
            try:
                c.execute(q)
            except psycopg.errors.DatabaseError:
                pass


def workload(p):
    """30 quick queries of shop and of mill, 40 of forge, where 4 are wrong and 2 are slow."""
    for tenant in ("shop", "mill", "forge"):
        ask(p, tenant, *(f"SELECT tenant, {i} AS n FROM who WHERE tenant <> 'x{i}'" for i in range(30)))
    ask(p, "forge", *["SELECT * FROM missing"] * 4, *(f"SELECT {i} + 1" for i in range(4)),
        *["SELECT pg_sleep(0.2) /*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',"
          "application='erp',route='%2Forders'*/"] * 2)

    def settled():
        answer = api(p, "/api/system/query-performance")
        return len(answer["slow_queries"]) == 2 and sum(h["calls"] for h in answer["history"]) == 100
    wait_until(settled, 30, "slow queries and history are told")


@pytest.fixture(scope="module")
def web():
    b = browsers.Browser()
    yield b
    b.close()


@pytest.fixture
def page(web):
    """The browser, as it was at the beginning; what it complains of fails the test, unless that was expected."""
    web.size(1280)
    web.scheme("light")
    web.complaints()
    web.requests()
    web.expected = None
    yield web
    complaints = [c for c in web.complaints() if web.expected is None or not re.search(web.expected, c)]
    web.get("about:blank")
    assert not complaints


@pytest.fixture(scope="module")
def busy(module_pgusher):
    """One with three tenants whose numbers don't change any more."""
    p = serving(module_pgusher, slow_query_plan=1)
    workload(p)
    return p


def show(page, p, fragment=""):
    page.get("about:blank")
    page.get(f"{p.web}/{fragment}")
    page.wait("return document.getElementById('age').innerText.includes('read')"
              " && !document.getElementById('main').hidden", what="the page has been read")


def reading(page):
    """Wait until everything was asked again, and shown."""
    n = page.js("return performance.getEntriesByType('resource').length")
    page.wait("return performance.getEntriesByType('resource').length >= arguments[0] + 8"
              " && document.getElementById('age').innerText === 'just read'", n, what="it is read again")


def table(page, section):
    """The rows of a table: lists of texts."""
    return page.js("""return [...document.querySelectorAll(`#${arguments[0]} tbody > tr:first-child`)].map(
        (tr) => [...tr.cells].map((td) => td.innerText.trim()))""", section)


def heads(page, section):
    return [re.sub(r" [▲▼]$", "", t) for t in page.texts(f"#{section} thead th")]


def column(page, section, title):
    i = heads(page, section).index(title)
    return [row[i] for row in table(page, section)]


def figure(page, key):
    return page.texts(f"[data-figure={key}] dd")


def verdict(page):
    return page.text("#word"), page.texts("#reasons li")


# ---- words for numbers, as the page has them, written down a second time ----

def rounded(x, digits):
    """As the browser does it: of 8.125 it makes 8.13."""
    return float(decimal.Decimal(x).quantize(decimal.Decimal(10) ** -digits, decimal.ROUND_HALF_UP))


def three_digits(x):
    return f"{rounded(x, 2 - math.floor(math.log10(max(x, 1)))):.3g}"


def as_duration(ms):
    if ms is None:
        return "–"
    if 0 < ms < 1:
        return f"{rounded(ms * 1000, 0):g} µs"
    return f"{three_digits(ms)} ms" if ms < 999.5 else f"{three_digits(ms / 1000)} s"


def as_percent(x):
    return "<0.1 %" if 0 < x < 0.1 else f"{rounded(x, 1 if x < 10 else 0):g} %"


# ---- the files ----

def test_files_are_small_whole_and_cached_by_content(busy):
    total = 0
    for path in FILES:
        with fetch(busy, path) as answer:
            body, headers = answer.read(), answer.headers
        total += len(body)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert path != "/" or "script-src 'self'" in policy and "connect-src 'self'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        again = urllib.request.Request(busy.web + path, headers={"If-None-Match": headers["ETag"]})
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(again, timeout=10)
        assert e.value.code == 304
        e.value.close()
    assert total < 100_000


def test_files_ask_nobody_else_and_make_no_html_of_strings(busy):
    texts = {path: fetch(busy, path).read().decode() for path in FILES}
    for text in texts.values():
        addresses = set(re.findall(r"\bhttps?://[^\s'\"]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, "namespaces only"
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    assert not re.search(makers, texts["/script.js"])
    assert not re.search(r"<script(?! src)|\sstyle=|\son[a-z]+=", texts["/"])
    assert len({hashlib.sha256(t.encode()).digest() for t in texts.values()}) == len(FILES)


# ---- what is shown is what is so ----

def test_tenants_are_those_of_the_api(page, busy):
    show(page, busy)
    rows = api(busy, "/api/system/tenants")["rows"]
    assert [r["calls"] for r in rows if r["tenant"] == "forge"] == [40]
    expected = [[r["tenant"], as_percent(100 * r["total_ms"] / sum(x["total_ms"] for x in rows)), str(r["calls"]),
                 str(r["errors"]), as_percent(r["slow_percent"]), as_duration(r["p50_ms"]), as_duration(r["p95_ms"]),
                 as_duration(r["p99_ms"]), as_duration(r["max_ms"]), as_duration(r["wait_ms"])] for r in rows]
    titles = ["tenant", "share of time", "queries", "errors", "slow", "p50", "p95", "p99", "longest", "wait"]
    shown = [list(row) for row in zip(*(column(page, "tenants", t) for t in titles))]
    assert shown == expected


def test_figures_are_those_of_the_api(page, busy):
    show(page, busy)
    answer = api(busy, "/api/system/query-performance?window=5m")
    s = answer["statistics"]
    assert (s["calls"], s["errors"], s["slow"]) == (100, 4, 2)
    assert figure(page, "rate")[1] == "100 in all"
    assert figure(page, "errors") == [as_percent(4), "4"]
    assert figure(page, "slow") == [as_percent(s["slow_percent"]), "2"]
    assert figure(page, "mean")[0] == as_duration(s["mean_ms"])
    for key in ("p50", "p95", "p99", "max"):
        assert figure(page, key) == [as_duration(s[f"{key}_ms"]), ""], key


def test_windows(page, busy):
    show(page, busy)
    page.click("#covers-more summary")
    assert page.text("#covers-words") == api(busy, "/api/system/query-performance?window=5m")["covers"]
    page.click("#window input[value=all]")
    whole = api(busy, "/api/system/query-performance?window=all")
    page.wait("return document.getElementById('covers-words').innerText === arguments[0]", whole["covers"])
    assert "100 queries" in page.text("#covers")
    for key in ("p50", "p95", "p99", "max"):
        assert figure(page, key) == [as_duration(whole["statistics"][f"{key}_ms"]), ""], key
    assert page.js("return location.hash") == "#window=all"


def test_queries_and_what_they_unfold_to(page, busy):
    show(page, busy)
    rows = api(busy, "/api/system/query-performance?top=50")["top_queries"]
    assert sum(r["calls"] for r in rows) == 100
    assert column(page, "queries", "text") == [r["text"] for r in rows]
    assert column(page, "queries", "calls") == [str(r["calls"]) for r in rows]
    assert column(page, "queries", "p95") == [as_duration(r["p95_ms"]) for r in rows]

    who = next(r for r in rows if "FROM who" in r["text"])
    page.js("[...document.querySelectorAll('#queries .unfold')]"
            ".find((b) => b.textContent.includes('FROM who')).click()")
    assert page.text("#queries .detail pre") == who["text"]
    facts = dict(zip(page.texts("#queries .detail dt"), page.texts("#queries .detail dd")))
    assert (facts["Calls"], facts["Tenants"], facts["Digest"]) == ("90", "3", who["digest"])
    assert facts["Tables"] == who["tables"]
    assert facts["p99"] == as_duration(who["p99_ms"])


def test_slow_queries_and_what_they_unfold_to(page, busy):
    show(page, busy)
    rows = api(busy, "/api/system/query-performance")["slow_queries"]
    rows.sort(key=lambda r: r["at"], reverse=True)  # one that waits for its plan is told later
    assert column(page, "slow", "tenant") == ["forge", "forge"]
    assert column(page, "slow", "took") == [as_duration(r["total_ms"]) for r in rows]
    page.click("#slow .unfold")
    assert "pg_sleep" in page.text("#slow .detail pre") and "0.2" not in page.text("#slow .detail pre")
    facts = dict(zip(page.texts("#slow .detail dt"), page.texts("#slow .detail dd")))
    assert facts["Trace"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert (facts["Application"], facts["Route"], facts["At"]) == ("erp", "/orders", rows[0]["at"])
    parts = [text.strip() for text in page.texts("#slow .detail .parts li")]
    wait, total = rows[0]["wait_ms"], rows[0]["total_ms"]
    assert parts[0] == f"waited for a server: {as_duration(wait)} ({as_percent(100 * wait / (wait + total))})"
    planned = next((i for i, r in enumerate(rows) if r["plan"]), None)
    assert planned is not None, [r["plan_note"] for r in rows]
    page.js("document.querySelectorAll('#slow .unfold[aria-expanded=false]').forEach((b) => b.click())")
    plan = page.texts(f"#slow tbody:nth-of-type({planned + 1}) pre")[1]
    assert re.match(r"Result  \(cost=0\S* rows=1 width=4\)", plan)
    widths = page.js("return [...document.querySelector('#slow .stack').children]"
                     ".map((r) => r.width.baseVal.value)")
    assert abs(sum(widths) - 1000) < 1 and widths[1] > 900, "pg_sleep is before the first byte"


def test_charts_and_their_table(page, busy):
    show(page, busy)
    history = api(busy, "/api/system/query-performance")["history"]
    last = [h for h in history if h["calls"]][-1]
    assert sum(h["calls"] for h in history) == 100
    label = page.js("return document.getElementById('latency').getAttribute('aria-label')")
    assert f"p99 {as_duration(last['p99_ms'])}" in label
    assert page.js("return document.querySelectorAll('#latency .label').length") == 3
    page.js("document.querySelector('#minutes summary').click()")
    page.wait("return document.querySelector('#minutes tbody') !== null")
    i = page.texts("#minutes th[scope=col]").index("queries")
    shown = page.js("return [...document.querySelectorAll('#minutes tbody tr')]"
                    ".map((tr) => Number(tr.cells[arguments[0]].innerText))", i)
    assert sum(shown) == 100 and len(shown) >= len(history)


def test_no_share_is_above_all(page, pgusher):
    """A minute in which everything was slow: the chart ends at 100 %."""
    p = serving(pgusher)
    ask(p, "shop", *["SELECT pg_sleep(0.2)"] * 2)
    wait_until(lambda: api(p, "/api/system/query-performance")["history"], 30, "the history begins")
    show(page, p)
    ticks = page.js("return [...document.querySelectorAll('#shares .up')].map((t) => t.textContent)")
    assert [t.split()[0] for t in ticks] == ["0", "50", "100"]


def test_few_samples_are_no_zeros(page, pgusher):
    p = serving(pgusher)
    ask(p, "shop", "SELECT 1")
    show(page, p)
    assert figure(page, "few") == ["too few samples", "1 of at least 20"]
    assert not page.js("return document.querySelector('[data-figure=p99]')")
    word, reasons = verdict(page)
    assert word == "All is well" and "too few to judge" in reasons[0]
    assert page.text("#alerts .note") == "No alerts."


@pytest.mark.slow
def test_more_tenants_than_rows(page, pgusher, pg):
    p = serving(pgusher, databases={f"n{i}": f"host={pg.host} port={pg.port} dbname=shop" for i in range(103)})
    for i in range(103):
        ask(p, f"n{i}", *["SELECT 1"] * (i % 3 + 1))
    show(page, p)
    assert len(table(page, "tenants")) == 10
    assert "The first 100 tenants by share of time; the rest is one row." in page.text("#tenants .note")
    assert page.text("#tenants .more") == "Show all 100 rows"
    page.click("#tenants .more")
    names = column(page, "tenants", "tenant")
    assert (len(names), names[-1]) == (101, "all others")
    assert sum(int(n) for n in column(page, "tenants", "queries")) == sum(i % 3 + 1 for i in range(103))
    page.js("[...document.querySelectorAll('#tenants thead button')]"
            ".find((b) => b.textContent === 'queries').click()")
    page.wait("return document.querySelector('#tenants .note').innerText.includes('by queries')")
    reading(page)
    queries = [int(n) for n in column(page, "tenants", "queries")]
    assert queries[:34] == [3] * 34 and column(page, "tenants", "tenant")[-1] == "all others"


def test_alerts(page, pgusher):
    p = serving(pgusher, alert_query_time=100)
    ask(p, "mill", "SELECT pg_sleep(0.2)")
    wait_until(lambda: api(p, "/api/system/query-performance")["alerts"], 10, "there is an alert")
    show(page, p)
    alert = api(p, "/api/system/query-performance")["alerts"][0]
    word, reasons = verdict(page)
    assert word == "Attention: 1 reason"
    assert reasons[0].startswith("1 alert in 15 minutes") and alert["message"][:100] in reasons[0]
    assert column(page, "alerts", "tenant") == ["mill"]
    page.click("#alerts .unfold")
    assert page.text("#alerts .detail pre") == alert["text"]
    page.click("#reasons .link")
    page.wait("return document.getElementById('figures-heading').innerText === 'Tenant mill'")


def test_pools_and_who_waits(page, pgusher):
    p = serving(pgusher, default_pool_size=1, pool_mode="transaction")
    with p.connect("mill", autocommit=False) as holder:
        holder.execute("SELECT 1")
        waiting = threading.Thread(target=ask, args=(p, "mill", "SELECT 2"))
        waiting.start()
        wait_until(lambda: p.pool("mill")["maxwait"] >= 1, 10, "a client waits")
        show(page, p)
        word, reasons = verdict(page)
        assert word == "Attention: 1 reason", reasons
        assert "1 client waits for a server of mill / app" in reasons[0]
        assert page.js("return document.title").startswith("! Attention")
        assert column(page, "pools", "waiting") == ["1"]
        assert figure(page, "waiting")[0] == "1 !"
    waiting.join(10)
    page.wait("return document.getElementById('word').innerText === 'All is well'", what="nobody waits any more")
    assert column(page, "pools", "waiting") == ["0"]


def test_a_host_that_is_down(page, pgusher, fake_server):
    p = serving(pgusher, databases={"gone": f"host=127.0.0.1 port={free_port()}"}, query_wait_timeout=20)
    page.expected = "readyz.*503"
    with pytest.raises(psycopg.OperationalError):
        p.connect("gone")
    wait_until(lambda: ready(p)["status"] == "not ready", 10, "/readyz has seen it")
    show(page, p)
    word, reasons = verdict(page)
    assert word.startswith("Trouble"), reasons
    assert "can't be reached" in reasons[0]


def ready(p):
    try:
        return api(p, "/readyz")
    except urllib.error.HTTPError as e:
        with e:
            return json.load(e)


# ---- hands on the keyboard, eyes in the dark ----

def tab_to(page, selector, at_most=60):
    for _ in range(at_most):
        page.press("Tab")
        if page.js("return document.activeElement.matches(arguments[0])", selector):
            return
    raise AssertionError(f"Tab does not come to {selector}")


def test_sorting_by_keyboard(page, busy):
    def direction():
        return page.js(f"return document.querySelector('#tenants thead th:nth-child({i})').getAttribute('aria-sort')")

    show(page, busy)
    i = heads(page, "tenants").index("queries") + 1
    tab_to(page, f"#tenants thead th:nth-child({i}) button")
    page.press("Enter")
    assert direction() == "descending"
    assert [int(n) for n in column(page, "tenants", "queries")] == [40, 30, 30]
    page.press("Space")
    assert direction() == "ascending"
    assert [int(n) for n in column(page, "tenants", "queries")] == [30, 30, 40]
    page.press("Shift+Tab", "Shift+Tab", "Shift+Tab", "Enter")
    assert column(page, "tenants", "tenant") == ["forge", "mill", "shop"]
    reading(page)
    assert column(page, "tenants", "tenant") == ["forge", "mill", "shop"]


def test_a_tenant_is_chosen_by_keyboard(page, busy):
    show(page, busy)
    tab_to(page, "#tenants tbody .link")
    name = page.js("return document.activeElement.textContent")
    page.press("Enter")
    page.wait("return document.getElementById('figures-heading').innerText === arguments[0]", f"Tenant {name}")
    reading(page)
    mine = api(busy, f"/api/system/query-performance?tenant={name}&top=50")
    assert column(page, "queries", "calls") == [str(r["calls"]) for r in mine["top_queries"]]
    assert set(column(page, "pools", "tenant")) == {name}
    assert page.js("return document.activeElement.textContent") == name, "the focus stays"
    page.js("history.back()")
    page.wait("return document.getElementById('figures-heading').innerText === 'All tenants'")
    reading(page)
    assert len(column(page, "pools", "tenant")) == 3


def test_a_tenant_that_nobody_uses(page, busy):
    page.expected = "404"
    show(page, busy, "#tenant=nobody")
    page.wait("return document.getElementById('covers').innerText === 'No tenant of this name is in use.'")
    assert "All is well" in verdict(page)[0]
    page.click("#everybody")
    page.wait("return document.getElementById('figures-heading').innerText === 'All tenants'")


def test_rows_unfold_by_keyboard(page, busy):
    show(page, busy)
    tab_to(page, "#queries .unfold")
    page.press("Enter")
    assert page.js("return document.activeElement.getAttribute('aria-expanded')") == "true"
    controlled = page.js("return document.activeElement.getAttribute('aria-controls')")
    assert "Digest" in page.text(f"#{controlled}")
    page.press("Space")
    assert page.js("return document.getElementById(arguments[0]).hidden", controlled)


def test_skip_link(page, busy):
    show(page, busy)
    page.press("Tab")
    assert page.js("return document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.js("return document.activeElement.id") == "verdict"


def test_a_reading_leaves_focus_scroll_selection_and_details(page, busy):
    show(page, busy)
    page.size(1280, 500)
    page.click("#slow .unfold")
    page.js("""const text = document.querySelector('#slow .detail pre').firstChild;
        getSelection().setBaseAndExtent(text, 2, text, 9);
        document.querySelector('#queries tbody:nth-of-type(3) .unfold').focus({ preventScroll: true });
        scrollTo(0, 700);""")
    before = page.js("return [document.activeElement.textContent, scrollY, getSelection().toString()]")
    for i in range(25):
        ask(busy, "t1", f"SELECT {i}")
    page.wait("return [...document.querySelectorAll('#tenants tbody .link')].some((b) => b.textContent === 't1')",
              what="the new tenant is shown")
    after = page.js("return [document.activeElement.textContent, scrollY, getSelection().toString()]")
    assert (after[0], after[2]) == (before[0], before[2])
    assert abs(after[1] - before[1]) <= 40, "a row came in above; the view may go with what is read"
    assert page.js("return !document.querySelector('#slow .detail').hidden")


CONTRAST = """
function linear(c) { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }
function luminance([r, g, b]) { return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b); }
function colour(text) { return text.match(/[\\d.]+/g).map(Number); }
function ground(e) {
    for (; e; e = e.parentElement) {
        const c = colour(getComputedStyle(e).backgroundColor);
        if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
}
const bad = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || !e.checkVisibility() || e.closest("script, noscript")) continue;
    const style = getComputedStyle(e);
    const ink = luminance(colour(e.ownerSVGElement ? style.fill : style.color)), paper = luminance(ground(e));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName}.${e.className} ${walker.currentNode.data.slice(0, 30)} ${ratio.toFixed(2)}`);
}
return bad;
"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page, busy, scheme):
    page.scheme(scheme)
    show(page, busy)
    page.click("#slow .unfold")
    paper = page.js("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(paper) < 3 * 60) == (scheme == "dark")
    assert page.js(CONTRAST) == []
    for level in ("good", "attention", "trouble", "unknown"):
        page.js("document.getElementById('verdict').className = arguments[0];"
                "document.querySelector('#reasons li').className = arguments[0];"
                "document.querySelector('#tenants tbody').className = 'alarming';"
                "document.querySelector('#figures > div').className = 'alarming';"
                "document.getElementById('lost').hidden = false", level)
        assert page.js(CONTRAST) == [], level


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 800, 1920])
def test_no_width_makes_the_page_scroll_sideways(page, busy, width):
    page.size(width)
    show(page, busy)
    page.click("#queries .unfold")
    page.click("#slow .unfold")
    assert page.js("return document.documentElement.scrollWidth") <= width


def test_names_of_everything(page, busy):
    """What a screen reader needs: names of controls, headers of tables, one h1, no id twice."""
    show(page, busy)
    assert page.js("""return [...document.querySelectorAll('button, input')].filter(
        (e) => e.checkVisibility() && !(e.innerText.trim() || e.labels && e.labels.length > 0))
        .map((e) => e.outerHTML)""") == []
    assert page.js("return [...document.querySelectorAll('thead th')].every((th) => th.scope === 'col')")
    assert page.js("return [...document.querySelectorAll('tbody tr:first-child th')].every((th) => th.scope === 'row')")
    assert page.js("return document.querySelectorAll('h1').length") == 1
    assert page.js("""const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
        return ids.filter((id, i) => ids.indexOf(id) !== i)""") == []
    assert page.js("""return [...document.querySelectorAll('svg')].every(
        (e) => e.getAttribute('aria-hidden') || e.getAttribute('aria-label'))""")
    assert page.js("return document.documentElement.lang") == "en"


# ---- strangers ----

def test_what_peers_send_stays_text(page, pgusher, pg):
    names = {quoted(name): f"host={pg.host} port={pg.port} dbname=shop" for name in EVIL}
    p = serving(pgusher, databases=names)
    queries = [f"SELECT {i} AS {quoted(name)}" for i, name in enumerate(EVIL)]
    for name in EVIL:
        ask(p, name, *queries, "SELECT pg_sleep(0.2)", application_name=name)
    wait_until(lambda: len(api(p, "/api/system/query-performance")["slow_queries"]) == 3, 10, "the slow queries are told")
    show(page, p)
    page.js("document.querySelectorAll('.unfold').forEach((b) => b.click())")
    assert sorted(column(page, "tenants", "tenant")) == sorted(EVIL)
    texts = column(page, "queries", "text")
    for name in EVIL:
        assert any(quoted(name) in t for t in texts), name
    applications = page.js("""return [...document.querySelectorAll('#slow dt')]
        .filter((dt) => dt.innerText === 'Application name').map((dt) => dt.nextElementSibling.innerText)""")
    assert sorted(applications) == sorted(EVIL)
    page.js("[...document.querySelectorAll('#tenants .link')].find((b) => b.textContent === arguments[0]).click()", EVIL[1])
    page.wait("return document.getElementById('figures-heading').innerText === arguments[0]", f"Tenant {EVIL[1]}")
    page.wait("return document.querySelectorAll('#slow tbody').length === 1", what="one tenant's slow query")
    assert page.js("return [typeof window.hacked, document.scripts.length, document.images.length]") == ["undefined", 1, 0]


def test_it_asks_nobody_but_its_server(page, busy):
    show(page, busy)
    reading(page)
    asked = [u for u in page.requests() if not u.startswith(("data:", "about:"))]
    assert len(asked) >= 11
    assert all(u.startswith(busy.web + "/") for u in asked), asked


def test_token(page, pgusher):
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    p = serving(pgusher, http_auth="token", tokens={"page": f"sha256:{digest}"})
    ask(p, "shop", "SELECT 1")
    page.expected = "401"
    page.get(p.web + "/")
    page.wait("return !document.getElementById('login').hidden")
    assert page.js("return document.activeElement.id") == "token"
    assert page.js("return document.getElementById('main').hidden")
    page.type("#token", "a wrong one")
    page.press("Enter")
    page.wait("return document.getElementById('login-why').innerText.includes('does not take')")
    page.type("#token", TOKEN)
    page.press("Enter")
    page.wait("return document.getElementById('word').innerText === 'All is well'")
    assert column(page, "tenants", "tenant") == ["shop"]
    kept = page.js("return [sessionStorage.length, localStorage.length, document.cookie, location.href]")
    assert kept == [1, 0, "", p.web + "/"]
    page.click("#forget")
    page.wait("return !document.getElementById('login').hidden")
    assert page.js("return sessionStorage.length") == 0


def test_token_of_one_tenant(page, pgusher):
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    p = serving(pgusher, http_auth="token", tokens={"mill": f"sha256:{digest} tenant=mill"})
    ask(p, "shop", "SELECT 1")
    ask(p, "mill", "SELECT 1, 2")
    page.expected = "40[13]"
    page.get(p.web + "/")
    page.wait("return !document.getElementById('login').hidden")
    page.type("#token", TOKEN)
    page.press("Enter")
    page.wait("return document.getElementById('figures-heading').innerText === 'Tenant mill'")
    assert "shop" not in page.text("body")
    assert len(column(page, "queries", "text")) == 1


# ---- when things go wrong ----

def test_unreachable_and_back(page, pgusher):
    p = serving(pgusher)
    ask(p, "shop", "SELECT 1")
    show(page, p)
    page.expected = "ERR_CONNECTION_REFUSED"
    p.quit()
    page.wait("return !document.getElementById('lost').hidden", what="it says so")
    assert "Can't reach pgusher" in page.text("#lost") and "What you see was read at" in page.text("#lost")
    assert verdict(page)[0] == "Unknown"
    assert column(page, "tenants", "tenant") == ["shop"], "what was read stays"
    p.start()
    page.wait("return document.getElementById('lost').hidden", what="it is back")
    assert verdict(page)[0] == "All is well"


@pytest.mark.slow
def test_a_server_that_hangs(page, pgusher):
    p = serving(pgusher)
    ask(p, "shop", "SELECT 1")
    show(page, p)
    p.signal(signal.SIGSTOP)
    try:
        page.wait("return document.getElementById('lost').innerText.includes('no answer within 10 s')", seconds=30)
        assert verdict(page)[0] == "Unknown"
    finally:
        p.signal(signal.SIGCONT)
    page.wait("return document.getElementById('word').innerText === 'All is well'", what="it answers again")


@pytest.mark.slow
def test_pause(page, busy):
    show(page, busy)
    page.click("#pause")
    assert page.js("return document.getElementById('pause').getAttribute('aria-pressed')") == "true"
    n = page.js("return performance.getEntriesByType('resource').length")
    page.wait("return /[6-9] s ago/.test(document.getElementById('age').innerText)", what="time passes")
    assert page.js("return performance.getEntriesByType('resource').length") == n
    page.click("#pause")
    page.wait("return document.getElementById('age').innerText === 'just read'")


@pytest.mark.slow
def test_hidden_pages_do_not_ask(page, busy):
    show(page, busy)
    page.do("window/minimize")
    try:
        page.wait("return document.hidden")
        n, since = page.js("return [performance.getEntriesByType('resource').length, Date.now()]")
        page.wait("return Date.now() - arguments[0] > 6500", since, what="the next reading would be due")
        assert page.js("return performance.getEntriesByType('resource').length") == n
    finally:
        page.do("window/rect", width=1280, height=1600)
    page.wait("return performance.getEntriesByType('resource').length > arguments[0]", n, what="it reads again when seen")


def test_hosts_are_those_of_the_api(page, busy):
    show(page, busy)
    row, = api(busy, "/api/system/hosts")["rows"]
    assert column(page, "hosts", "host") == [f"{row['host']}:{row['port']}"]
    assert column(page, "hosts", "status") == ["up"]
    assert page.texts("#protection") == ["0 bans in force; 0 limits hit; 0 threats noticed."]
