/*
 * The page of pgusher: reads /readyz and /api/system/ every few seconds, and shows what they say.
 *
 * Names and SQL come from peers.  They reach the document as text only (textContent, text nodes): nothing
 * here makes HTML of a string.  The page is updated in place, row by row, so that focus, selection, scroll
 * positions and what is unfolded stay.
 *
 * From the top: words for numbers; elements; asking; the verdict; figures; charts; tables; what a row unfolds
 * to; the cycle that ties them together.
 */
"use strict";

const EVERY = 5000;		/* ms between two readings */
const PATIENCE = 10000;		/* ms until an answer is given up */
const OLD = 20000;		/* ms after which data is called old */
const ROWS_FEW = 10, ROWS_MANY = 100;
const TOP = 50;			/* queries that are asked for */

/* ---- words for numbers ---- */

const NOTHING = "–";
const numbers = new Intl.NumberFormat("en");

function count(n) {
	return n === null || n === undefined ? NOTHING : numbers.format(n);
}

function duration(ms) {
	if (ms === null || ms === undefined)
		return NOTHING;
	if (ms === 0)
		return "0 ms";
	if (ms < 1)
		return `${Math.round(ms * 1000)} µs`;
	if (ms < 999.5)
		return `${Number(ms.toPrecision(3))} ms`;
	const s = ms / 1000;
	if (s < 100)
		return `${Number(s.toPrecision(3))} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
	return `${numbers.format(Math.floor(s / 3600))} h ${Math.floor(s % 3600 / 60)} min`;
}

function percent(x) {
	if (x === null || x === undefined)
		return NOTHING;
	if (x > 0 && x < 0.1)
		return "<0.1 %";
	return `${x < 10 ? Number(x.toFixed(1)) : Math.round(x)} %`;
}

function rate(x) {
	if (x === null || x === undefined)
		return NOTHING;
	return x >= 100 ? numbers.format(Math.round(x)) : String(Number(x.toFixed(x < 10 ? 2 : 1)));
}

function bytes(n) {
	if (n === null || n === undefined)
		return NOTHING;
	const units = ["B", "kB", "MB", "GB", "TB", "PB"];
	let i = 0;
	for (; n >= 999.5 && i < units.length - 1; i++)
		n /= 1000;
	return `${i === 0 ? n : n.toPrecision(3)} ${units[i]}`;
}

function several(n, one, many) {
	return `${count(n)} ${n === 1 ? one : many || `${one}s`}`;
}

const two = (n) => String(n).padStart(2, "0");

/* Of a Date: "03:12:45"; of another day: "26 Nov 03:12:45". */
function timeOfDay(date, seconds = true) {
	if (Number.isNaN(date.getTime()))
		return NOTHING;
	const day = date.toDateString() === new Date().toDateString() || !seconds ? ""
		: `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} `;
	return `${day}${two(date.getHours())}:${two(date.getMinutes())}${seconds ? `:${two(date.getSeconds())}` : ""}`;
}

function share(part, whole) {
	return whole > 0 ? 100 * part / whole : 0;
}

function clip(text, n) {
	return text.length > n ? `${text.slice(0, n)}…` : text;
}

/* ---- elements ---- */

const $ = (id) => document.getElementById(id);

/* element("td", { class: "number" }, "12", child...); attributes that are false are left out. */
function element(name, attributes = {}, ...children) {
	const e = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (value !== false && value !== null && value !== undefined)
			e.setAttribute(key, value === true ? "" : value);
	}
	e.append(...children);
	return e;
}

function drawing(name, attributes = {}, text = null) {
	const e = document.createElementNS("http://www.w3.org/2000/svg", name);
	for (const [key, value] of Object.entries(attributes))
		e.setAttribute(key, value);
	if (text !== null)
		e.textContent = text;
	return e;
}

/* What is there already is not touched: a selection or a reader's place would be lost. */
function setText(e, text) {
	if (e.textContent !== text)
		e.textContent = text;
}

function setAttribute(e, name, value) {
	if (value === null || value === false)
		e.removeAttribute(name);
	else if (e.getAttribute(name) !== String(value))
		e.setAttribute(name, value);
}

function selectedIn(e) {
	const s = document.getSelection();
	return !s.isCollapsed && (e.contains(s.anchorNode) || e.contains(s.focusNode));
}

const inUse = (e) => e.contains(document.activeElement) || selectedIn(e);

/* Make parent's element children behind `after` these ones.  The one that has the focus stays where it is, and the
 * others move around it: an element that is moved loses the focus. */
function arrange(parent, wanted, after = null) {
	const keep = new Set(wanted);
	const first = () => after ? after.nextElementSibling : parent.firstElementChild;
	for (let e = first(); e !== null;) {
		const next = e.nextElementSibling;
		if (!keep.has(e))
			e.remove();
		e = next;
	}
	const still = wanted.findIndex((e) => e.parentNode === parent && e.contains(document.activeElement));
	let at = first();
	const put = (e) => {
		if (e === at)
			at = at.nextElementSibling;
		else
			parent.insertBefore(e, at);
	};
	wanted.slice(0, Math.max(still, 0)).forEach(put);
	if (still >= 0)
		at = wanted[still].nextElementSibling;
	wanted.slice(still + 1).forEach(put);
}

/* A list of facts: [[term, text], ...] in a <dl>, updated in place. */
function setFacts(dl, facts) {
	const shown = facts.filter(([, text]) => text !== null && text !== undefined && text !== "");
	const terms = shown.map(([term]) => term).join("\n");
	if (dl.terms !== terms) {
		dl.terms = terms;
		dl.replaceChildren(...shown.map(([term, text]) =>
			element("div", {}, element("dt", {}, term), element("dd", {}, String(text)))));
		return;
	}
	shown.forEach(([, text], i) => setText(dl.children[i].lastElementChild, String(text)));
}

/* ---- asking ---- */

const TOKEN = "pgusher-token";

function token() {
	return sessionStorage.getItem(TOKEN);
}

/* Why there is no answer.  status: of HTTP, 0 if the server was not reached. */
class Failure extends Error {
	constructor(status, words) {
		super(words);
		this.status = status;
	}
}

async function problemOf(answer) {
	try {
		const p = await answer.json();
		return [p.title, p.detail].filter((s) => typeof s === "string" && s !== "").join(": ");
	} catch {
		return "";
	}
}

/* The JSON at path; also: other statuses that carry an answer. */
async function ask(path, parameters, signal, also = []) {
	const query = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined)
		.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
	const headers = token() === null ? {} : { Authorization: `Bearer ${token()}` };
	let answer;
	try {
		answer = await fetch(query === "" ? path : `${path}?${query}`, { headers, signal, cache: "no-store" });
	} catch (e) {
		throw new Failure(0, signal.aborted ? `no answer within ${PATIENCE / 1000} s` : "the connection failed");
	}
	if (!answer.ok && !also.includes(answer.status)) {
		const words = await problemOf(answer);
		throw new Failure(answer.status, `${answer.status} ${words || answer.statusText}`.trim());
	}
	try {
		return await answer.json();
	} catch (e) {
		throw new Failure(signal.aborted ? 0 : answer.status, "the answer ended early or is no JSON");
	}
}

/* ---- the verdict ---- */

const GOOD = 0, ATTENTION = 1, TROUBLE = 2, UNKNOWN = 3;
const LEVELS = [
	{ name: "good", sign: "✓", word: "All is well" },
	{ name: "attention", sign: "!", word: "Attention" },
	{ name: "trouble", sign: "✕", word: "Trouble" },
	{ name: "unknown", sign: "?", word: "Unknown" },
];
const REASONS_SHOWN = 8;
const ENOUGH = 20;			/* queries, before a share is judged */
const RECENT = 15 * 60 * 1000;		/* ms: an alert */
const LATELY = 5 * 60 * 1000;		/* ms: queries */

/* The last minutes of the history, added up.  Who sees one tenant only gets no history. */
function lately(performance) {
	if (performance.tenant !== null)
		return performance.window.name === "5m" && performance.statistics || { calls: 0, errors: 0, slow: 0 };
	const now = new Date(performance.generated_at).getTime();
	const sum = { calls: 0, errors: 0, slow: 0, seconds: 0 };
	for (const point of performance.history) {
		if (now - new Date(point.at).getTime() >= LATELY)
			continue;
		for (const key of Object.keys(sum))
			sum[key] += point[key];
	}
	return sum;
}

/* The one that most of these rows have, or null. */
function mostOf(rows, key) {
	const counts = new Map();
	for (const row of rows)
		counts.set(row[key], (counts.get(row[key]) || 0) + 1);
	const [name, n] = [...counts].sort((a, b) => b[1] - a[1])[0] || [null, 0];
	return name !== null && 2 * n > rows.length ? name : null;
}

/* Each judge gets what was read and tells reasons: { level, text, tenant, section }. */
function judgeHosts({ ready }) {
	if (!ready)
		return [];
	const down = ready.hosts.filter((h) => h.status === "down").map((h) => ({
		level: TROUBLE,
		text: `The server ${h.host}:${h.port} can't be reached: ${h.detail}`,
	}));
	if (down.length === 0 && ready.status !== "ready")
		return [{ level: TROUBLE, text: "pgusher says that it is not ready: it stops, or reaches no server" }];
	return down;
}

const waited = (pool) => pool.maxwait * 1000 + pool.maxwait_us / 1000;

function judgePools({ pools }) {
	const slow = (pools || []).filter((p) => waited(p) >= 1000).sort((a, b) => waited(b) - waited(a));
	const reasons = slow.slice(0, 3).map((p) => ({
		level: waited(p) >= 5000 ? TROUBLE : ATTENTION,
		text: `${several(p.cl_waiting, "client waits", "clients wait")} for a server of ${p.database} / ${p.user}, ` +
			`the longest for ${duration(waited(p))}`,
		tenant: p.database,
		section: "pools",
	}));
	if (slow.length > 3) {
		reasons.push({
			level: reasons[2].level,
			text: `So do clients of ${several(slow.length - 3, "other pool")}`,
			section: "pools",
		});
	}
	return reasons;
}

function judgeShares({ all }) {
	if (!all)
		return [];
	const n = lately(all);
	const errors = share(n.errors, n.calls), slow = share(n.slow, n.calls);
	const reasons = [];
	if (n.calls < ENOUGH)
		return reasons;
	if (errors >= 5) {
		reasons.push({
			level: errors >= 25 ? TROUBLE : ATTENTION,
			text: `${percent(errors)} of the queries failed: ${count(n.errors)} of ${count(n.calls)} in 5 minutes`,
			section: "queries",
		});
	}
	if (slow >= 5) {
		const since = new Date(all.generated_at).getTime() - LATELY;
		const tenant = mostOf(all.slow_queries.filter((q) => new Date(q.at).getTime() >= since), "tenant");
		reasons.push({
			level: slow >= 20 ? TROUBLE : ATTENTION,
			text: `${percent(slow)} of the queries were slow: ${count(n.slow)} of ${count(n.calls)} in 5 minutes` +
				(tenant === null ? "" : `, most of the latest of tenant ${tenant}`),
			tenant,
			section: "slow",
		});
	}
	return reasons;
}

function judgeAlerts({ all }) {
	if (!all)
		return [];
	const since = new Date(all.generated_at).getTime() - RECENT;
	const fresh = all.alerts.filter((a) => new Date(a.last_at).getTime() >= since);
	if (fresh.length === 0)
		return [];
	const latest = fresh.reduce((a, b) => a.last_at >= b.last_at ? a : b);
	return [{
		level: ATTENTION,
		text: `${several(fresh.length, "alert")} in 15 minutes, the latest at ` +
			`${timeOfDay(new Date(latest.last_at))}: ${clip(latest.message, 200)}`,
		tenant: latest.tenant,
		section: "alerts",
	}];
}

const PARTS = { ready: "readiness", all: "statistics", tenants: "tenants", pools: "pools", hosts: "hosts" };

/* What a token may not see is no gap. */
function judgeGaps({ failures }) {
	return Object.entries(PARTS).filter(([part]) => failures[part] && failures[part].status !== 403).map(([part, words]) => ({
		level: ATTENTION,
		text: `The ${words} could not be read: ${failures[part].message}`,
	}));
}

const JUDGES = [judgeHosts, judgePools, judgeShares, judgeAlerts, judgeGaps];

/* What is said when there is nothing to say. */
function reassure({ ready, pools, all }) {
	const said = [];
	const up = ready ? ready.hosts.filter((h) => h.status === "up").length : 0;
	if (up > 0)
		said.push(`${several(up, "server answers", "servers answer")}`);
	if (pools) {
		const waiting = pools.reduce((sum, p) => sum + p.cl_waiting, 0);
		said.push(waiting === 0 ? "nobody waits for a server"
			: `${several(waiting, "client waits", "clients wait")} for a server, none as long as 1 s`);
	}
	if (all) {
		const n = lately(all);
		said.push(n.calls < ENOUGH ? `${several(n.calls, "query", "queries")} in 5 minutes: too few to judge errors and slowness`
			: `of ${count(n.calls)} queries in 5 minutes ${percent(share(n.errors, n.calls))} failed and ` +
			`${percent(share(n.slow, n.calls))} were slow`);
		said.push("no alert in 15 minutes");
	}
	const text = `${said.join("; ")}.`;
	return [{ level: GOOD, text: text.charAt(0).toUpperCase() + text.slice(1) }];
}

function judge(readings) {
	if (readings.lost) {
		const text = readings.readAt === null ? "Nothing could be read yet."
			: "What is below was true when it was read. Now nobody knows.";
		return { level: UNKNOWN, reasons: [{ level: UNKNOWN, text }] };
	}
	const reasons = JUDGES.flatMap((j) => j(readings)).sort((a, b) => b.level - a.level);
	if (reasons.length === 0)
		return { level: GOOD, reasons: reassure(readings) };
	return { level: reasons[0].level, reasons };
}

function reasonItem(reason) {
	const li = element("li", { class: LEVELS[reason.level].name }, reason.text);
	if (reason.section)
		li.append(" ", element("a", { href: `#${reason.section}` }, `see ${$(`${reason.section}-heading`).textContent}`));
	if (reason.tenant) {
		const button = element("button", { type: "button", class: "link" }, `only ${reason.tenant}`);
		button.addEventListener("click", () => chooseTenant(reason.tenant));
		li.append(" ", button);
	}
	return li;
}

function showVerdict({ level, reasons }) {
	const { name, sign, word } = LEVELS[level];
	setAttribute($("verdict"), "class", name);
	setText($("sign"), sign);
	setText($("word"), level === ATTENTION || level === TROUBLE ? `${word}: ${several(reasons.length, "reason")}` : word);
	document.title = `${sign} ${word} – pgusher`;

	const shown = reasons.slice(0, REASONS_SHOWN);
	if (reasons.length > shown.length)
		shown.push({ level: ATTENTION, text: `And ${several(reasons.length - shown.length, "more reason")}` });
	const list = $("reasons");
	const said = JSON.stringify(shown);
	if (list.said === said || inUse(list))
		return;
	list.said = said;
	list.replaceChildren(...shown.map(reasonItem));
}

/* ---- figures ---- */

function poolSums(pools) {
	const sum = { active: 0, waiting: 0, busy: 0, idle: 0, wait: 0 };
	for (const p of pools) {
		sum.active += p.cl_active;
		sum.waiting += p.cl_waiting;
		sum.busy += p.sv_active;
		sum.idle += p.sv_idle + p.sv_used;
		sum.wait = Math.max(sum.wait, waited(p));
	}
	return sum;
}

/* Percentiles, the longest time and waits are not kept for each window of a tenant.  What comes nearest is what it did
 * since the counting began. */
function nearest(s) {
	if (s.window.name === "all" || s.tenant === null)
		return { of: s.statistics, span: "" };
	const row = page.tenants && page.tenants.rows.find((r) => r.tenant === s.tenant && !isRest(r));
	return { of: row || {}, span: "since the start" };
}

/* Rows of [term, figure, what stands below it, key for tests and styles, alarming]. */
function trafficFigures(answer) {
	const { statistics: s, samples, minimum_samples: minimum } = answer;
	if (s === null) {
		return [["Queries", count(samples), "", "calls"],
			["Rates and latency", "too few samples", `${samples} of at least ${minimum}`, "few"]];
	}
	const { of, span } = nearest(answer);
	return [
		["Queries / s", rate(s.queries_per_second), `${count(s.calls)} in all`, "rate"],
		["Errors", percent(share(s.errors, s.calls)), count(s.errors), "errors", share(s.errors, s.calls) >= 5],
		["Slow", percent(s.slow_percent), count(s.slow), "slow", s.slow_percent >= 5],
		["Mean", duration(s.mean_ms), "", "mean"],
		["p50", duration(of.p50_ms), span, "p50"],
		["p95", duration(of.p95_ms), span, "p95"],
		["p99", duration(of.p99_ms), span, "p99"],
		["Longest", duration(of.max_ms), span, "max"],
		["Mean wait", duration(of.wait_mean_ms ?? of.wait_ms), "for a server", "wait"],
	].filter(([, figure]) => figure !== NOTHING);
}

function poolFigures(pools) {
	const n = poolSums(pools);
	return [
		["Clients", count(n.active + n.waiting), "connected", "clients"],
		["Waiting", count(n.waiting), n.wait > 0 ? `longest ${duration(n.wait)}` : "nobody", "waiting", n.wait >= 1000],
		["Servers busy", count(n.busy), `${count(n.idle)} idle`, "servers"],
	];
}

function showFigures(figures) {
	const dl = $("figures");
	const keys = figures.map((f) => f[3]).join();
	if (dl.keys !== keys) {
		dl.keys = keys;
		dl.replaceChildren(...figures.map(([term, , , key]) => element("div", { "data-figure": key },
			element("dt", {}, term), element("dd", { class: "figure" }), element("dd", { class: "note" }))));
	}
	figures.forEach(([, figure, note, , alarming], i) => {
		const [, value, below] = dl.children[i].children;
		setText(value, alarming ? `${figure} !` : figure);
		setText(below, note);
		setAttribute(dl.children[i], "class", alarming ? "alarming" : null);
	});
}

/* ---- charts ---- */

const HOUR = 3600 * 1000, SHORTEST = 10 * 60 * 1000;
const MINUTES = [1, 2, 5, 10, 20, 60];		/* between ticks */
const STEPS = [1, 2, 5];

/* Where lines are drawn across: at most about five of them. */
function linearTicks(top) {
	const raw = top / 4, size = 10 ** Math.floor(Math.log10(raw));
	const step = size * (STEPS.find((s) => s * size >= raw) || 10);
	const ticks = [];
	for (let i = 0; i * step < top * 1.001; i++)
		ticks.push(i * step);
	ticks.push(ticks.length * step);
	return ticks;
}

function logTicks(low, high) {
	const from = Math.floor(Math.log10(low)), to = Math.max(Math.ceil(Math.log10(high)), from + 1);
	const ticks = [];
	for (let e = from; e <= to; e++) {
		for (const s of to - from <= 2 && e < to ? STEPS : [1])
			ticks.push(s * 10 ** e);
	}
	return ticks;
}

/* A function from values to heights between bottom and top, and its ticks.  least, most: the top of a linear one. */
function scaleFor(values, { logarithmic, least, most = Infinity }, bottom, top) {
	const positive = values.filter((v) => v > 0);
	if (logarithmic) {
		const ticks = positive.length > 0 ? logTicks(Math.min(...positive), Math.max(...positive)) : [1, 10];
		const low = Math.log10(ticks[0]), high = Math.log10(ticks[ticks.length - 1]);
		return { ticks, y: (v) => bottom - (bottom - top) * (Math.log10(Math.max(v, ticks[0])) - low) / (high - low) };
	}
	const ticks = linearTicks(Math.max(least, ...positive)).filter((t) => t <= most);
	return { ticks, y: (v) => bottom - (bottom - top) * v / ticks[ticks.length - 1] };
}

/* Stretches of points that have a value, as [x, y]. */
function stretches(points, value, x, y) {
	const found = [[]];
	for (const p of points) {
		const v = value(p);
		if (v === null || v === undefined)
			found.push([]);
		else
			found[found.length - 1].push([x(p), y(v)]);
	}
	return found.filter((s) => s.length > 0);
}

function drawLine(svg, stretch, kind, bottom) {
	const path = stretch.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
	if (stretch.length === 1) {
		svg.append(drawing("circle", { cx: stretch[0][0], cy: stretch[0][1], r: 2, class: `dot ${kind}` }));
		return;
	}
	if (bottom !== null) {
		svg.append(drawing("path", {
			d: `${path}L${stretch[stretch.length - 1][0].toFixed(1)} ${bottom}L${stretch[0][0].toFixed(1)} ${bottom}Z`,
			class: `area ${kind}`,
		}));
	}
	svg.append(drawing("path", { d: path, class: `line ${kind}` }));
}

/* Names at the right end of the lines, pushed apart where they would overlap. */
function drawLabels(svg, labels, x, bottom) {
	labels.sort((a, b) => b.y - a.y);
	let limit = bottom;
	for (const label of labels) {
		label.y = Math.min(label.y, limit);
		limit = label.y - 13;
		svg.append(drawing("text", { x, y: label.y + 4, class: `label ${label.kind}` }, label.text));
	}
}

function drawAxes(svg, scale, { left, right, top, bottom }, from, to, x, words) {
	for (const tick of scale.ticks) {
		const y = scale.y(tick).toFixed(1);
		svg.append(drawing("line", { x1: left, x2: right, y1: y, y2: y, class: "grid" }));
		svg.append(drawing("text", { x: left - 6, y: Number(y) + 4, class: "tick up" }, words(tick)));
	}
	const step = MINUTES.find((m) => (right - left) * m * 60000 / (to - from) >= 50) || 60;
	const first = new Date(from);
	first.setSeconds(0, 0);
	first.setMinutes(Math.ceil((first.getMinutes() + 1) / step) * step);
	for (let t = first.getTime(); t <= to; t += step * 60000) {
		svg.append(drawing("line", { x1: x(t), x2: x(t), y1: bottom, y2: bottom + 4, class: "grid" }));
		svg.append(drawing("text", { x: x(t), y: bottom + 17, class: "tick along" }, timeOfDay(new Date(t), false)));
	}
}

/* chart: { logarithmic, least, area, words(value), lines: [{ name, kind, value(point) }], title } of the history's points. */
function draw(svg, chart, points, now) {
	const width = Math.max(svg.clientWidth, 240), height = 190;
	const box = { left: 52, right: width - 92, top: 10, bottom: height - 24 };
	const shown = points.filter((p) => new Date(p.at).getTime() >= now - HOUR);
	const known = shown.length > 0 ? now - new Date(shown[0].at).getTime() : 0;
	const to = now, from = to - Math.min(Math.max(known, SHORTEST), HOUR);
	const x = (t) => box.left + (box.right - box.left) * (Math.min(t, to) - from) / (to - from);
	const values = chart.lines.flatMap((l) => shown.map(l.value)).filter((v) => v !== null && v !== undefined);
	const scale = scaleFor(values, chart, box.bottom, box.top);

	svg.replaceChildren();
	setAttribute(svg, "viewBox", `0 0 ${width} ${height}`);
	if (values.length === 0) {
		svg.append(drawing("text", { x: box.left, y: height / 2, class: "tick" }, "no queries"));
		setAttribute(svg, "aria-label", `${chart.title}: no queries`);
		return;
	}
	drawAxes(svg, scale, box, from, to, x, chart.words);
	const labels = [];
	for (const line of chart.lines) {
		const found = stretches(shown, line.value, (p) => x(new Date(p.at).getTime()), scale.y);
		for (const stretch of found)
			drawLine(svg, stretch, line.kind, chart.area ? box.bottom : null);
		const last = shown.map(line.value).filter((v) => v !== null && v !== undefined).pop();
		if (last !== undefined)
			labels.push({ y: scale.y(last), kind: line.kind, text: `${line.name} ${chart.words(last)}` });
	}
	drawLabels(svg, labels, box.right + 6, box.bottom);
	setAttribute(svg, "aria-label", `${chart.title}: ${labels.map((l) => l.text).reverse().join(", ")}; ` +
		`the highest was ${chart.words(Math.max(...values))}`);
}

const CHARTS = {
	latency: {
		title: "Latency over the last hour", logarithmic: true, words: duration,
		lines: ["p50", "p95", "p99"].map((name) => ({ name, kind: name, value: (p) => p[`${name}_ms`] })),
	},
	traffic: {
		title: "Queries per second over the last hour", area: true, least: 1, words: rate,
		lines: [{ name: "now", kind: "calls", value: (p) => p.seconds > 0 ? p.calls / p.seconds : null }],
	},
	shares: {
		title: "Share of errors and of slow queries over the last hour", least: 1, most: 100, words: percent,
		lines: [["errors", "errors"], ["slow", "slow"]].map(([name, key]) => ({
			name, kind: key, value: (p) => p.calls > 0 ? share(p[key], p.calls) : null,
		})),
	},
};

const MINUTE_COLUMNS = [
	["until", (p) => timeOfDay(new Date(p.at))],
	["queries", (p) => count(p.calls)],
	["per second", (p) => p.seconds > 0 ? rate(p.calls / p.seconds) : NOTHING],
	["errors", (p) => count(p.errors)],
	["slow", (p) => count(p.slow)],
	["mean", (p) => duration(p.mean_ms)],
	["p50", (p) => duration(p.p50_ms)],
	["p95", (p) => duration(p.p95_ms)],
	["p99", (p) => duration(p.p99_ms)],
];

/* The latest minute first. */
function showMinutes(points) {
	const table = $("minutes").querySelector("table");
	if (!$("minutes").open || selectedIn(table))
		return;
	const heads = MINUTE_COLUMNS.map(([name]) => element("th", { scope: "col", class: "number" }, name));
	const cellsOf = (point) => MINUTE_COLUMNS.map(([, show], i) =>
		element(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : false, class: "number" }, show(point)));
	table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)),
		element("tbody", {}, ...[...points].reverse().map((point) => element("tr", {}, ...cellsOf(point)))));
}

function showCharts() {
	if (!page.all)
		return;
	const points = page.all.history, now = new Date(page.all.generated_at).getTime();
	for (const [id, chart] of Object.entries(CHARTS))
		draw($(id), chart, points, now);
	showMinutes(points);
}

/* ---- tables ---- */

/* What passes now: the server's sums are since the counting began; their growth between readings of the last minute
 * is the present. */
class Growth {
	constructor() {
		this.readings = [];	/* { at, calls: Map of key -> calls } */
	}

	read(at, rows, key) {
		const last = this.readings[this.readings.length - 1];
		if (last && last.at >= at)
			return;
		this.readings = this.readings.filter((r) => at - r.at <= 60000);
		this.readings.push({ at, calls: new Map(rows.map((row) => [key(row), row.calls])) });
	}

	/* Calls per second; null: not known yet. */
	of(name) {
		const last = this.readings[this.readings.length - 1];
		const first = this.readings.find((r) => r.calls.has(name));
		if (!last || !first || first === last || !last.calls.has(name))
			return null;
		const grown = last.calls.get(name) - first.calls.get(name);
		return grown < 0 ? null : grown * 1000 / (last.at - first.at);
	}
}

function classOf(column) {
	return ["number", "minor", "lesser", "text"].filter((name) => column[name]).join(" ") || false;
}

/* A table in the section with that id.
 *
 * columns: { title, hint, show(row) -> text or make(row) -> { node, update(row) }, value(row) -> what it is sorted by,
 *	number, text, minor, lesser, order }
 *	lesser is left out on narrow screens, minor earlier; order: the word by which the server sorts by it.
 * key(row): tells rows apart.  last(row): is it the "other" row, which stays at the end?
 * detail(row) -> { node, update(row) }: what a row unfolds to, by the button in its `text` column.
 * alarming(row), chosen(row): row styles. */
class Table {
	constructor(id, options) {
		Object.assign(this, { last: () => false, alarming: () => false, chosen: () => false }, options, { id });
		this.section = $(id);
		this.table = this.section.querySelector("table");
		this.button = this.section.querySelector(".more");
		this.rows = [];
		this.subject = null;		/* page.tenant, when it was shown last */
		this.groups = new Map();	/* key -> { body, cells, detail... } */
		this.all = false;
		this.makeHead();
		if (this.button)
			this.button.addEventListener("click", () => {
				this.all = !this.all;
				this.render();
			});
	}

	makeHead() {
		const cells = this.columns.map((column, i) => {
			const th = element("th", { scope: "col", class: classOf(column) });
			if (!column.value) {
				th.append(column.title);
				return th;
			}
			const button = element("button", { type: "button", title: column.hint || false }, column.title);
			button.addEventListener("click", () => this.sortBy(i));
			th.append(button);
			return th;
		});
		this.head = element("thead", {}, element("tr", {}, ...cells));
		this.table.append(this.head);
	}

	/* Numbers go down first, words up. */
	sortBy(i) {
		const same = this.sort.column === i;
		this.sort = { column: i, down: same ? !this.sort.down : !!this.columns[i].number };
		this.render();
		if (this.onSort)
			this.onSort();
	}

	/* The word for the server, so that it sends the rows that come first; null: it has none for that. */
	get order() {
		return this.sort && this.sort.down ? this.columns[this.sort.column].order || null : null;
	}

	update(rows) {
		this.rows = rows;
		this.render();
	}

	sorted() {
		if (!this.sort)
			return this.rows;
		const { value } = this.columns[this.sort.column], sign = this.sort.down ? -1 : 1;
		const compare = (a, b) => {
			const x = value(a), y = value(b);
			if (x === null || y === null || x === undefined || y === undefined)
				return (x === null || x === undefined) - (y === null || y === undefined);
			return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
		};
		return [...this.rows].sort((a, b) => this.last(a) - this.last(b) || compare(a, b));
	}

	render() {
		const sorted = this.sorted(), wanted = new Map();
		const n = sorted.filter((row) => !this.last(row)).length, limit = this.all ? ROWS_MANY : ROWS_FEW;
		for (const row of sorted.slice(0, n > limit ? limit : sorted.length))
			wanted.set(this.key(row), row);
		this.keepOpen(sorted, wanted);
		for (const [key, row] of wanted)
			this.show(key, row);
		for (const key of [...this.groups.keys()].filter((k) => !wanted.has(k)))
			this.groups.delete(key);
		this.place([...wanted.keys()].map((key) => this.groups.get(key).body));
		this.showSort();
		this.showMore(n);
	}

	/* What somebody reads stays, though it is no longer among the first ones, or gone from the answer; unless the page
	 * is about another tenant now. */
	keepOpen(sorted, wanted) {
		const stays = this.subject === page.tenant;
		const held = [...this.groups].filter(([key, g]) => !wanted.has(key) && (g.open || inUse(g.body)));
		this.subject = page.tenant;
		if (held.length === 0)
			return;
		const now = new Map(sorted.map((row) => [this.key(row), row]));
		for (const [key, group] of held) {
			if (stays || now.has(key))
				wanted.set(key, now.get(key) || group.row);
		}
	}

	/* Rows don't move under a selection. */
	place(bodies) {
		if (selectedIn(this.table)) {
			const wanted = new Set(bodies), present = [...this.table.tBodies].filter((b) => wanted.has(b));
			bodies = [...present, ...bodies.filter((b) => !present.includes(b))];
		}
		arrange(this.table, bodies, this.head);
	}

	showSort() {
		[...this.head.rows[0].cells].forEach((th, i) => {
			const direction = this.sort && this.sort.column === i ? this.sort.down ? "descending" : "ascending" : null;
			setAttribute(th, "aria-sort", direction);
		});
	}

	showMore(n) {
		const wide = this.table.parentElement;
		setAttribute(wide, "tabindex", wide.scrollWidth > wide.clientWidth ? 0 : null);
		this.table.hidden = n === 0;
		if (!this.button)
			return;
		this.button.hidden = n <= ROWS_FEW;
		setText(this.button, this.all ? `Show ${ROWS_FEW} rows only`
			: n <= ROWS_MANY ? `Show all ${n} rows` : `Show ${ROWS_MANY} of ${count(n)} rows`);
	}

	make(key) {
		const group = { open: false, cells: [], body: element("tbody") };
		const tr = element("tr");
		this.columns.forEach((column, i) => {
			const cell = element(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : false, class: classOf(column) });
			if (column.text && this.detail) {
				group.button = element("button", { type: "button", class: "unfold", "aria-expanded": "false" });
				group.button.addEventListener("click", () => this.unfold(group));
				cell.append(group.button);
			}
			group.cells.push(cell);
			tr.append(cell);
		});
		group.body.append(tr);
		this.groups.set(key, group);
		return group;
	}

	show(key, row) {
		const group = this.groups.get(key) || this.make(key);
		group.row = row;
		setAttribute(group.body, "class", [this.alarming(row) ? "alarming" : "", this.chosen(row) ? "chosen" : "",
			group.open ? "open" : ""].join(" ").trim() || null);
		setAttribute(group.body.rows[0], "aria-current", this.chosen(row) ? "true" : null);
		this.columns.forEach((column, i) => this.showCell(column, column.text && group.button ? group.button : group.cells[i], row));
		if (group.open)
			group.detail.update(row);
	}

	/* Elements are made once for each row and then told of news by their own update(row). */
	showCell(column, cell, row) {
		if (!column.make) {
			setText(cell, column.show(row));
			return;
		}
		if (!cell.inside) {
			cell.inside = column.make(row);
			cell.append(cell.inside.node);
		}
		cell.inside.update(row);
	}

	unfold(group) {
		group.open = !group.open;
		setAttribute(group.button, "aria-expanded", group.open);
		group.body.classList.toggle("open", group.open);
		if (!group.detail) {
			group.detail = this.detail(group.row);
			const id = `detail-${Table.details++}`;
			group.body.append(element("tr", { class: "detail", id }, element("td", { colspan: this.columns.length }, group.detail.node)));
			setAttribute(group.button, "aria-controls", id);
		}
		group.detail.update(group.row);
		group.body.rows[1].hidden = !group.open;
	}
}
Table.details = 0;

/* A name that filters the page. */
function tenantButton(nameOf, isRest = () => false) {
	return (row) => {
		if (isRest(row))
			return { node: element("span", {}, "all others"), update() {} };
		const button = element("button", { type: "button", class: "link" });
		button.addEventListener("click", () => chooseTenant(button.textContent));
		return {
			node: button,
			update(r) {
				setText(button, nameOf(r) || "");
				setAttribute(button, "title", nameOf(r) || "");
			},
		};
	};
}

/* A bar for a share of the whole, with its number. */
function shareBar(of) {
	return () => {
		const bar = drawing("rect", { x: 0, y: 0, height: 8, class: "bar" });
		const svg = drawing("svg", { viewBox: "0 0 40 8", class: "share", "aria-hidden": "true" });
		svg.append(drawing("rect", { x: 0, y: 0, width: 40, height: 8, class: "track" }), bar);
		const text = element("span");
		return {
			node: element("span", { class: "shared" }, svg, text),
			update(row) {
				setAttribute(bar, "width", (40 * Math.min(of(row), 100) / 100).toFixed(1));
				setText(text, percent(of(row)));
			},
		};
	};
}

function numberColumn(title, key, words, more = {}) {
	return { title, show: (row) => words(row[key]), value: (row) => row[key], number: true, ...more };
}

/* ---- what a row unfolds to ---- */

function heading(text) {
	return element("h3", {}, text);
}

/* The parts of a slow query's time, in the order in which they pass. */
function timeParts(row) {
	const blocked = row.blocked_ms || 0, wait = row.wait_ms || 0;
	const first = Math.min(row.first_byte_ms || 0, row.total_ms);
	return [
		{ kind: "wait", words: "waited for a server", ms: wait },
		{ kind: "first", words: "until the first byte of the reply", ms: first },
		{ kind: "rest", words: "rest of the reply", ms: Math.max(row.total_ms - first - blocked, 0) },
		{ kind: "blocked", words: "the client did not take it", ms: blocked },
	];
}

function stackedBar(parts) {
	const sum = parts.reduce((s, p) => s + p.ms, 0);
	const svg = drawing("svg", { viewBox: "0 0 1000 14", preserveAspectRatio: "none", class: "stack", "aria-hidden": "true" });
	const list = element("ul", { class: "parts" });
	let x = 0;
	for (const part of parts) {
		const width = sum > 0 ? 1000 * part.ms / sum : 0;
		svg.append(drawing("rect", { x: x.toFixed(1), y: 0, width: width.toFixed(1), height: 14, class: `part ${part.kind}` }));
		x += width;
		const swatch = drawing("svg", { viewBox: "0 0 10 10", class: "swatch", "aria-hidden": "true" });
		swatch.append(drawing("rect", { width: 10, height: 10, class: `part ${part.kind}` }));
		list.append(element("li", {}, swatch, ` ${part.words}: ${duration(part.ms)} (${percent(share(part.ms, sum))})`));
	}
	return element("div", {}, svg, list);
}

const CONDITIONS = ["Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key", "Presorted Key",
	"Group Key", "One-Time Filter"];

const AGGREGATES = { Hashed: "HashAggregate", Sorted: "GroupAggregate", Mixed: "MixedAggregate" };

/* "Hash Join (Left)", "HashAggregate", "Index Scan using orders_pkey on orders o" */
function nodeName(node) {
	const type = node["Node Type"] === "Aggregate" ? AGGREGATES[node.Strategy] || "Aggregate" : node["Node Type"];
	const join = node["Join Type"] && node["Join Type"] !== "Inner" ? ` (${node["Join Type"]})` : "";
	const index = node["Index Name"] ? ` using ${node["Index Name"]}` : "";
	const what = node["Relation Name"] || node["Function Name"] || node["CTE Name"];
	const alias = node.Alias && node.Alias !== what ? ` ${node.Alias}` : "";
	return `${type}${join}${index}${what ? ` on ${what}${alias}` : ""}`;
}

/* EXPLAIN's JSON as the tree that people know. */
function planLines(node, depth, lines) {
	if (depth > 100 || node === null || typeof node !== "object")
		return lines;
	const indent = "      ".repeat(depth);
	lines.push(`${depth > 0 ? `${indent.slice(6)}  ->  ` : ""}${nodeName(node)}` +
		`  (cost=${node["Startup Cost"]}..${node["Total Cost"]} rows=${node["Plan Rows"]} width=${node["Plan Width"]})`);
	for (const key of CONDITIONS) {
		if (node[key] !== undefined)
			lines.push(`${indent}  ${key}: ${Array.isArray(node[key]) ? node[key].join(", ") : node[key]}`);
	}
	for (const child of Array.isArray(node.Plans) ? node.Plans : [])
		planLines(child, depth + 1, lines);
	return lines;
}

function planText(plan) {
	let tree = plan;
	if (typeof plan === "string") {
		try {
			tree = JSON.parse(plan);
		} catch {
			return plan;
		}
	}
	const top = Array.isArray(tree) ? tree[0] : tree;
	return top && top.Plan ? planLines(top.Plan, 0, []).join("\n") : JSON.stringify(tree, null, 2);
}

function queryDetail(row) {
	const facts = element("dl", { class: "facts" });
	const node = element("div", {}, heading("Text"), element("pre", {}, row.text || ""), facts);
	return {
		node,
		update(r) {
			setFacts(facts, [
				["Tables", r.tables], ["Kind", r.kind], ["Digest", r.digest], ["Tenants", r.tenants && count(r.tenants)],
				["Calls", count(r.calls)], ["Errors", count(r.errors)], ["Slow", count(r.slow)], ["Rows", count(r.rows)],
				["Mean", duration(r.mean_ms)], ["p50", duration(r.p50_ms)], ["p95", duration(r.p95_ms)],
				["p99", duration(r.p99_ms)], ["Longest", duration(r.max_ms)], ["Mean wait for a server", duration(r.wait_ms)],
				["All together", duration(r.total_ms)], ["From the cache", r.cache_hits ? count(r.cache_hits) : null],
			]);
		},
	};
}

function slowDetail(row) {
	const facts = element("dl", { class: "facts" });
	const node = element("div", {}, heading("Where the time went"), stackedBar(timeParts(row)),
		heading("Text"), element("pre", {}, row.text || "not known"), facts);
	setFacts(facts, [
		["At", row.at], ["Tenant", row.tenant], ["User", row.user], ["Database", row.database], ["Client", row.client],
		["Application name", row.application_name], ["Kind", row.kind], ["Digest", row.digest], ["Rows", count(row.rows)],
		["From the client", bytes(row.bytes_in)], ["To the client", bytes(row.bytes_out)],
		["Failed with SQLSTATE", row.sqlstate], ["Trace", row.traceparent], ["Application", row.application], ["Route", row.route],
		["Plan", row.plan ? null : row.plan_note],
	]);
	if (row.plan)
		node.append(heading("Plan"), element("pre", {}, planText(row.plan)));
	return { node, update() {} };
}

function alertDetail(row) {
	const facts = element("dl", { class: "facts" });
	const node = element("div", {}, facts);
	if (row.text)
		node.prepend(heading("Text"), element("pre", {}, row.text));
	return {
		node,
		update(r) {
			const words = r.kind === "slow_share" ? percent : duration;
			setFacts(facts, [
				["First", r.at], ["Last", r.last_at], ["Times", count(r.times)], ["Value", words(r.value)], ["Limit", words(r.limit)],
				["Digest", r.digest], ["Webhook", r.delivery],
			]);
		},
	};
}

/* ---- the tables of the page ---- */

const isOther = (row) => row.digest === null || row.digest === undefined;
const failed = (row) => row.sqlstate !== null && row.sqlstate !== undefined && row.sqlstate !== "";

/* The row behind those that were asked for; a tenant may be called "other", too. */
const isRest = (row) => row.rest === true;

const growth = { tenants: new Growth(), queries: new Growth() };

const ALERT_KINDS = { slow_query: "slow query", slow_share: "many slow queries", regression: "slower than before" };

const hostName = (row) => `${row.host}:${row.port}`;

const tables = {};

function makeTables() {
	tables.alerts = new Table("alerts", {
		key: (row) => row.id,
		detail: alertDetail,
		columns: [
			{ title: "last", show: (row) => timeOfDay(new Date(row.last_at)) },
			{ title: "kind", show: (row) => ALERT_KINDS[row.kind] || row.kind, minor: true },
			{ title: "tenant", make: tenantButton((row) => row.tenant) },
			{ title: "message", show: (row) => clip(row.message || "", 300), text: true },
			{ title: "times", show: (row) => count(row.times), number: true, minor: true },
			{ title: "webhook", show: (row) => row.delivery, minor: true },
		],
	});
	tables.tenants = new Table("tenants", {
		key: (row) => isRest(row) ? "" : `t${row.tenant}`,
		last: isRest,
		alarming: (row) => row.calls >= ENOUGH && (row.slow_percent >= 20 || share(row.errors, row.calls) >= 25),
		chosen: (row) => row.tenant === page.tenant && !isRest(row),
		sort: { column: 2, down: true },
		columns: [
			{ title: "tenant", make: tenantButton((row) => row.tenant, isRest), value: (row) => row.tenant },
			{ title: "now / s", hint: "queries per second, while this page looked", number: true, lesser: true,
				show: (row) => rate(growth.tenants.of(tables.tenants.key(row))), value: (row) => growth.tenants.of(tables.tenants.key(row)) },
			{ title: "share of time", hint: "of the time that queries of all tenants took", number: true, order: "total",
				make: shareBar((row) => share(row.total_ms, page.tenantTime)), value: (row) => row.total_ms },
			numberColumn("queries", "calls", count, { order: "calls", lesser: true }),
			numberColumn("errors", "errors", count, { order: "errors" }),
			numberColumn("slow", "slow_percent", percent, { hint: "share of slow queries" }),
			numberColumn("p50", "p50_ms", duration, { minor: true }),
			numberColumn("p95", "p95_ms", duration, { order: "p95" }),
			numberColumn("p99", "p99_ms", duration, { lesser: true }),
			numberColumn("longest", "max_ms", duration, { order: "max", minor: true }),
			numberColumn("wait", "wait_ms", duration, { order: "wait", hint: "mean wait for a server", lesser: true }),
			numberColumn("clients", "clients", count, { minor: true }),
			numberColumn("servers", "servers", count, { minor: true }),
		],
		onSort: refresh,
	});
	tables.hosts = new Table("hosts", {
		key: (row) => JSON.stringify([row.host, row.port]),
		alarming: (row) => row.status === "down" || row.longest_wait_ms >= 1000,
		sort: { column: 1, down: true },
		columns: [
			{ title: "host", show: hostName, value: hostName },
			{ title: "used", hint: "connections, of those that there may be", number: true,
				show: (row) => row.max_connections > 0 ? `${count(row.used)} of ${count(row.max_connections)}` : count(row.used),
				value: (row) => row.used },
			numberColumn("tenants", "tenants", count, { hint: "that have a connection", lesser: true }),
			numberColumn("waiting", "waiting", count, { hint: "tenants that wait for a connection" }),
			numberColumn("longest wait", "longest_wait_ms", duration, { lesser: true }),
			numberColumn("taken away", "evictions", count, { hint: "idle connections closed for another tenant", minor: true }),
			numberColumn("failures", "failures", count, { hint: "connections that could not be made", minor: true }),
			{ title: "status", show: (row) => row.status, value: (row) => row.status },
		],
	});
	tables.pools = new Table("pools", {
		key: (row) => JSON.stringify([row.database, row.user]),
		alarming: (row) => waited(row) >= 1000,
		chosen: (row) => row.database === page.tenant,
		sort: { column: 3, down: true },
		columns: [
			{ title: "tenant", make: tenantButton((row) => row.database), value: (row) => row.database },
			{ title: "user", show: (row) => row.user, value: (row) => row.user },
			numberColumn("waiting", "cl_waiting", count, { hint: "clients that wait for a server" }),
			{ title: "longest wait", number: true, show: (row) => waited(row) > 0 ? duration(waited(row)) : NOTHING,
				value: (row) => waited(row) * 1e6 + row.cl_waiting * 1e3 + row.sv_active },
			numberColumn("clients", "cl_active", count, { hint: "clients that do not wait", lesser: true }),
			numberColumn("busy", "sv_active", count, { hint: "servers in use" }),
			{ title: "idle", hint: "servers that are free", number: true, lesser: true, show: (row) => count(row.sv_idle + row.sv_used),
				value: (row) => row.sv_idle + row.sv_used },
			numberColumn("connecting", "sv_login", count, { hint: "servers that are being logged in to", minor: true }),
			{ title: "mode", show: (row) => row.pool_mode, value: (row) => row.pool_mode, minor: true },
		],
	});
	tables.queries = new Table("queries", {
		key: (row) => row.digest || "",
		last: isOther,
		detail: queryDetail,
		sort: { column: 2, down: true },
		columns: [
			{ title: "text", show: (row) => isOther(row) ? "all others" : clip(row.text || "", 300), value: (row) => row.text,
				text: true },
			{ title: "now / s", hint: "calls per second, while this page looked", number: true, lesser: true,
				show: (row) => rate(growth.queries.of(row.digest || "")), value: (row) => growth.queries.of(row.digest || "") },
			{ title: "share of time", hint: "of the time that these queries took", number: true, order: "total",
				make: shareBar((row) => share(row.total_ms, page.queryTime)), value: (row) => row.total_ms },
			numberColumn("calls", "calls", count, { order: "calls" }),
			numberColumn("errors", "errors", count, { order: "errors" }),
			numberColumn("slow", "slow", count, { order: "slow", lesser: true }),
			numberColumn("mean", "mean_ms", duration, { order: "mean", minor: true }),
			numberColumn("p95", "p95_ms", duration, { order: "p95" }),
			numberColumn("p99", "p99_ms", duration, { minor: true }),
			numberColumn("longest", "max_ms", duration, { order: "max", minor: true }),
		],
		onSort: refresh,
	});
	tables.slow = new Table("slow", {
		key: (row) => row.key,
		detail: slowDetail,
		columns: [
			{ title: "at", show: (row) => timeOfDay(new Date(row.at)), value: (row) => new Date(row.at).getTime(), number: true },
			numberColumn("took", "total_ms", duration),
			{ title: "tenant", make: tenantButton((row) => row.tenant), value: (row) => row.tenant },
			{ title: "text", show: (row) => clip(row.text || "", 300), value: (row) => row.text, text: true },
			numberColumn("waited", "wait_ms", duration, { hint: "for a server, before that", minor: true }),
			numberColumn("rows", "rows", count, { minor: true }),
			{ title: "result", show: (row) => failed(row) ? `error ${row.sqlstate}` : "ok", value: (row) => row.sqlstate || "",
				minor: true },
			{ title: "user", show: (row) => row.user || "", value: (row) => row.user, minor: true },
		],
		sort: { column: 0, down: true },
	});
}

/* ---- the cycle ---- */

const page = {
	tenant: null, window: "5m",
	all: null, chosen: null, tenants: null, pools: null, ready: null,
	hosts: null, limits: null, bans: null, threats: null,	/* what was read last */
	failures: {},
	admitted: false,		/* the server has told us something */
	reading: null,			/* AbortController of a reading that is under way */
	timer: null, paused: false,
	readAt: null, madeAt: null, changedAt: null,	/* when we read; generated_at; when that changed last */
	tenantTime: 0, queryTime: 0,	/* of all rows: what shares are of */
	growthOf: null,			/* the tenant whose queries growth knows */
};

const TENANT_GONE = 404;

/* Ask for all that is shown; what fails leaves a Failure under its name.  Until we know that we may read, one question
 * goes first: a wrong token that is shown several times at once would be taken for guessing. */
async function read(signal) {
	const order = tables.queries.order || "total";
	const all = ask("api/system/query-performance", { window: page.window, top: TOP, sort: order }, signal);
	if (!page.admitted) {
		try {
			await all;
		} catch (failure) {
			return { read: {}, failures: { all: failure } };
		}
		page.admitted = true;
	}
	const wanted = {
		all,
		ready: ask("readyz", {}, signal, [503]),
		tenants: ask("api/system/tenants", { top: ROWS_MANY, sort: tables.tenants.order || "total" }, signal),
		pools: ask("api/system/pools", {}, signal),
		hosts: ask("api/system/hosts", {}, signal),
		limits: ask("api/system/limits", {}, signal),
		bans: ask("api/system/bans", {}, signal),
		threats: ask("api/system/threats", {}, signal),
	};
	if (page.tenant !== null) {
		wanted.chosen = ask("api/system/query-performance",
			{ tenant: page.tenant, window: page.window, top: TOP, sort: order }, signal);
	}
	const names = Object.keys(wanted), results = await Promise.allSettled(Object.values(wanted));
	const read = {}, failures = {};
	results.forEach((result, i) => {
		if (result.status === "fulfilled")
			read[names[i]] = result.value;
		else
			failures[names[i]] = result.reason;
	});
	return { read, failures };
}

/* Read everything now, instead of a reading that is under way. */
async function refresh() {
	clearTimeout(page.timer);
	if (page.reading)
		page.reading.abort();
	const mine = page.reading = new AbortController();
	const patience = setTimeout(() => mine.abort(), PATIENCE);
	const { read: got, failures } = await read(mine.signal);
	clearTimeout(patience);
	if (page.reading !== mine)
		return;
	page.reading = null;
	if (Object.values(failures).some((f) => f.status === 401)) {
		askForToken();
		return;
	}
	take(got, failures);
	schedule();
}

function schedule() {
	clearTimeout(page.timer);
	if (!page.paused && !document.hidden && $("login").hidden)
		page.timer = setTimeout(refresh, EVERY);
}

/* Two slow queries in the same millisecond get different keys. */
function keyed(rows) {
	const seen = new Map();
	return rows.map((row) => {
		const name = JSON.stringify([row.at, row.client, row.digest]);
		const n = seen.get(name) || 0;
		seen.set(name, n + 1);
		return { ...row, key: `${name}${n}` };
	});
}

function take(got, failures) {
	page.failures = failures;
	page.lost = !Object.keys(got).some((name) => name !== "ready");
	if (page.lost) {
		showAll();
		return;
	}
	Object.assign(page, { chosen: null, hosts: null, limits: null, bans: null, threats: null }, got);
	if (got.all && got.all.tenant !== null && page.tenant === null)
		boundTo(got.all);
	page.readAt = Date.now();
	const made = got.all || got.chosen || got.tenants || got.pools;
	if (made.generated_at !== page.madeAt) {
		page.madeAt = made.generated_at;
		page.changedAt = page.readAt;
	}
	if (got.tenants) {
		const rows = got.tenants.rows, end = rows[rows.length - 1];
		if (rows.length > ROWS_MANY && end.tenant === "other")
			end.rest = true;
		page.tenantTime = rows.reduce((sum, row) => sum + (row.total_ms || 0), 0);
		growth.tenants.read(page.readAt, rows, tables.tenants.key);
	}
	showAll();
}

/* The token is bound to a tenant: what is asked for all is told of that one. */
function boundTo(all) {
	page.tenant = all.tenant;
	page.chosen = all;
	$("tenant").value = all.tenant;
}

/* What was read of what is chosen: a tenant, or all. */
function subject() {
	const answer = page.tenant === null ? page.all : page.chosen;
	return answer && answer.tenant === page.tenant ? answer : null;
}

function period({ window, samples }) {
	const [from, to] = [window.from, window.to].map((t) => timeOfDay(new Date(t)));
	return `From ${from} to ${to}: ${several(samples, "query", "queries")}.`;
}

function coverWords(s, failure) {
	if (failure && failure.status === TENANT_GONE)
		return "No tenant of this name is in use.";
	if (failure)
		return `Could not be read: ${failure.message}.`;
	return s ? period(s) : "";
}

/* rows: null if they are not known. */
function listWords(rows, none, some) {
	if (rows === null)
		return "Not known.";
	return rows.length === 0 ? none : some;
}

function note(id, text) {
	setText($(id).querySelector(".note"), text);
}

function failureWords(part) {
	return page.failures[part] ? `Could not be read: ${page.failures[part].message}. ` : "";
}

function showAll() {
	const pools = page.pools ? page.pools.rows.filter((p) => p.pool_mode !== "statement" || p.database !== "pgbouncer") : null;
	$("main").hidden = false;
	$("main").classList.toggle("blank", page.readAt === null);
	showLost();
	showVerdict(judge({ ...page, pools }));
	showSubject(pools);
	showCharts();
	showTenants();
	showHosts();
	showPools(pools);
	showFoot();
	showAge();
}

function lossWords() {
	const why = Object.values(page.failures)[0];
	const what = why.status === 0 ? "Can't reach pgusher" : "pgusher answers with errors";
	const since = page.readAt ? ` What you see was read at ${timeOfDay(new Date(page.readAt))}.` : "";
	return `${what}: ${why.message}.${since}`;
}

function showLost() {
	const stale = page.changedAt !== null && !page.paused && Date.now() - page.changedAt > OLD;
	let words = "";
	if (page.lost)
		words = lossWords();
	else if (stale)
		words = `The data is old: it was made at ${timeOfDay(new Date(page.madeAt))}, and nothing newer comes.`;
	$("lost").hidden = words === "";
	setText($("lost"), words);
}

function showSubject(pools) {
	const s = subject(), scope = page.tenant === null ? "All tenants" : `Tenant ${page.tenant}`;
	setText($("figures-heading"), scope);
	$("everybody").hidden = page.tenant === null;
	setText($("covers"), coverWords(s, page.failures[page.tenant === null ? "all" : "chosen"]));
	const mine = pools && pools.filter((p) => page.tenant === null || p.database === page.tenant);
	$("covers-more").hidden = !s;
	setText($("covers-words"), s ? s.covers : "");
	showFigures([...(s ? trafficFigures(s) : []), ...(mine ? poolFigures(mine) : [])]);
	showQueries(s);
	showSlow(s);
	showAlerts(s);
}

const ofTenant = () => page.tenant === null ? "" : ` of tenant ${page.tenant}`;

function showQueries(s) {
	const rows = s ? s.top_queries : [];
	page.queryTime = rows.reduce((sum, row) => sum + (row.total_ms || 0), 0);
	if (page.growthOf !== page.tenant) {
		growth.queries = new Growth();
		page.growthOf = page.tenant;
	}
	if (s)
		growth.queries.read(page.readAt, rows, tables.queries.key);
	note("queries", listWords(s && rows, `No queries${ofTenant()} have been counted.`,
		`Statements${ofTenant()} without their literals, since the counting began. Press one for more.`));
	tables.queries.update(rows);
}

function showSlow(s) {
	const rows = s ? keyed(s.slow_queries) : [];
	note("slow", listWords(s && rows, `No slow queries${ofTenant()}.`,
		`The latest${ofTenant()}. Press one for its times, trace and plan.`));
	tables.slow.update(rows);
}

function showAlerts(s) {
	const rows = s ? s.alerts : [];
	note("alerts", listWords(s && rows, `No alerts${ofTenant()}.`, ""));
	tables.alerts.update(rows);
}

/* Which tenants these are, if they are not all. */
function cutWords(rows) {
	const { columns, sort, order } = tables.tenants;
	if (!rows.some(isRest))
		return "";
	return ` The first ${several(rows.length - 1, "tenant")} by ${order === null ? "share of time" : columns[sort.column].title}; ` +
		"the rest is one row.";
}

function showTenants() {
	const rows = page.tenants ? page.tenants.rows : [];
	const words = listWords(page.tenants && rows, "No tenant is in use.",
		`Since the counting began.${cutWords(rows)} Press a name to see that tenant only.`);
	note("tenants", failureWords("tenants") + words);
	tables.tenants.update(rows);
}

function showPools(pools) {
	const mine = pools && pools.filter((p) => page.tenant === null || p.database === page.tenant);
	const waiting = (mine || []).filter((p) => p.cl_waiting > 0).length;
	const words = listWords(mine, `No pool${ofTenant()} is in use.`, `${several((mine || []).length, "pool")}${ofTenant()}; ` +
		`in ${waiting === 0 ? "none" : count(waiting)} of them somebody waits.`);
	note("pools", failureWords("pools") + words);
	tables.pools.update(mine || []);
}

/* What a token may not see is left out. */
function showHosts() {
	const rows = page.hosts ? page.hosts.rows : [];
	const full = rows.filter((h) => h.max_connections > 0 && h.used >= h.max_connections).length;
	const words = listWords(page.hosts && rows, "No server has been connected to.", `${several(rows.length, "server")}, ` +
		`${full === 0 ? "none" : count(full)} of them full.`);
	note("hosts", failureWords("hosts") + words);
	tables.hosts.update(rows);
	setText($("protection"), protectionWords());
}

const atLeast = (list, n) => `${list.complete ? "" : "at least "}${n}`;

function protectionWords() {
	const said = [];
	if (page.bans)
		said.push(atLeast(page.bans, `${several(page.bans.count, "ban")} in force`));
	if (page.limits) {
		const hit = page.limits.rows.filter((l) => l.delayed + l.refused + l.shadowed > 0).length;
		said.push(atLeast(page.limits, `${several(hit, "limit")} hit`));
	}
	if (page.threats)
		said.push(atLeast(page.threats, `${several(page.threats.count, "threat")} noticed`));
	const text = said.join("; ");
	return text === "" ? "" : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function showFoot() {
	const b = page.all && page.all.bounds;
	setText($("bounds"), b ? `The statistics take ${bytes(b.memory_bytes)}. Given up for others: ` +
		`${several(b.evicted_digests, "digest")}, ${several(b.evicted_entries, "digest")} of tenants; ` +
		`${several(b.truncated, "statement")} too long to be read whole.` : "");
}

function ageWords(s) {
	if (s === null)
		return "not read yet";
	return s < 2 ? "just read" : `read ${duration(s * 1000)} ago`;
}

function showAge() {
	const s = page.readAt ? Math.round((Date.now() - page.readAt) / 1000) : null;
	setText($("age"), (page.paused ? "paused; " : "") + ageWords(s));
	setAttribute($("age"), "class", s !== null && s * 1000 > OLD ? "old" : null);
	$("forget").hidden = token() === null;
}

/* ---- what people do ---- */

function chooseTenant(name, remember = true) {
	page.tenant = name === "" ? null : name;
	$("tenant").value = page.tenant || "";
	if (remember)
		rememberChoice();
	if ($("login").hidden)
		refresh();
}

function chooseWindow(name) {
	page.window = name;
	rememberChoice();
	refresh();
}

/* In the address, so that it can be sent to a colleague, and the way back works; in its fragment, which no server and
 * no log of one gets to see. */
function rememberChoice() {
	const choice = new URLSearchParams();
	if (page.tenant !== null)
		choice.set("tenant", page.tenant);
	if (page.window !== "5m")
		choice.set("window", page.window);
	const url = `${location.pathname}${location.search}${choice.size > 0 ? `#${choice}` : ""}`;
	if (url !== `${location.pathname}${location.search}${location.hash}`)
		history.pushState(null, "", url);
}

function recallChoice() {
	const choice = new URLSearchParams(location.hash.slice(1));
	const radios = [...document.getElementsByName("window")];
	const radio = radios.find((r) => r.value === choice.get("window")) || radios[0];
	radio.checked = true;
	page.window = radio.value;
	chooseTenant(choice.get("tenant") || "", false);
}

/* Links within the page leave the fragment to the choice. */
function follow(event) {
	const link = event.target.closest("a[href^='#']");
	if (link === null)
		return;
	event.preventDefault();
	const target = $(link.getAttribute("href").slice(1));
	setAttribute(target, "tabindex", -1);
	target.scrollIntoView();
	target.focus({ preventScroll: true });
}

function askForToken() {
	page.admitted = false;
	setText($("login-why"), token() === null ? "pgusher answers only those who have a token with the scope read."
		: "pgusher does not take this token: it is wrong, or was taken away.");
	sessionStorage.removeItem(TOKEN);
	$("main").hidden = true;
	$("login").hidden = false;
	$("token").value = "";
	$("token").focus();
	document.title = "Token – pgusher";
	showAge();
}

function takeToken(event) {
	event.preventDefault();
	sessionStorage.setItem(TOKEN, $("token").value.trim());
	$("token").value = "";
	$("login").hidden = true;
	$("main").hidden = false;
	$("verdict").focus();
	refresh();
}

function forgetToken() {
	sessionStorage.removeItem(TOKEN);
	location.reload();
}

function pause() {
	page.paused = !page.paused;
	setAttribute($("pause"), "aria-pressed", page.paused);
	showAge();
	if (page.paused)
		clearTimeout(page.timer);
	else
		refresh();
}

function hiddenOrShown() {
	if (document.hidden)
		clearTimeout(page.timer);
	else if (!page.paused && $("login").hidden)
		refresh();
}

function start() {
	makeTables();
	$("place").textContent = location.host;
	const east = -new Date().getTimezoneOffset();
	$("zone").textContent = ` (UTC${east < 0 ? "-" : "+"}${two(Math.floor(Math.abs(east) / 60))}:${two(Math.abs(east) % 60)})`;
	$("filter").addEventListener("submit", (event) => {
		event.preventDefault();
		chooseTenant($("tenant").value.trim());
	});
	$("everybody").addEventListener("click", () => {
		$("tenant").focus();
		chooseTenant("");
	});
	for (const radio of document.getElementsByName("window"))
		radio.addEventListener("change", () => chooseWindow(radio.value));
	$("pause").addEventListener("click", pause);
	$("forget").addEventListener("click", forgetToken);
	$("login").addEventListener("submit", takeToken);
	$("minutes").addEventListener("toggle", showCharts);
	document.addEventListener("visibilitychange", hiddenOrShown);
	document.addEventListener("click", follow);
	window.addEventListener("popstate", recallChoice);
	window.addEventListener("resize", showCharts);
	setInterval(() => {
		if (!document.hidden) {
			showAge();
			showLost();
		}
	}, 1000);
	recallChoice();
}

start();
