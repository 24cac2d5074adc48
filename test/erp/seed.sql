-- Fills the ERP of schema.sql with a company's data.  The same variables give the same rows.
--
--	psql -v company='Acme Castings GmbH' -v city=Siegen -v industry=castings -v seed=1 -v orders=4000 -f seed.sql
--
-- industry is castings, tools or machining; orders is the number of production orders, and the
-- other tables grow with it: 0.8x sales orders, 4.5x operations and 5.5x inventory transactions.
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL timezone = 'Europe/Berlin';

-- The last day of the data.  A fixed day, so that the rows don't depend on when they are made.
\set today '''2026-06-30''::date'

-- A number in 0 .. m - 1 that looks random but hangs on n, the salt and the company alone.
CREATE FUNCTION pg_temp.pick(n bigint, salt integer, m integer) RETURNS integer
	LANGUAGE sql IMMUTABLE
	RETURN ((hashint8extended(n, salt * 1000003 + :seed) & 9223372036854775807) % m)::integer;

CREATE FUNCTION pg_temp.word(words text[], n bigint, salt integer) RETURNS text
	LANGUAGE sql IMMUTABLE
	RETURN words[1 + pg_temp.pick(n, salt, cardinality(words))];

-- How an industry talks.  The k-th step of a routing is done on the k-th machine.
CREATE TEMPORARY TABLE trade ON COMMIT DROP AS
SELECT * FROM (VALUES
	('castings',
	 '{Pump housing,Valve body,Bearing cap,Gearbox cover,Brake disc,Manifold,Counterweight,Flywheel,Impeller,Bracket}'::text[],
	 '{EN-GJL-250,EN-GJS-400-15,EN-GJS-500-7,GX5CrNi19-10,AlSi7Mg0.3,AlSi10Mg}'::text[],
	 '{Core making,Moulding,Melting and pouring,Shake-out,Fettling,Inspection}'::text[],
	 '{Laempe core shooter,HWS moulding line,ABP induction furnace,Shot blaster,Grinding bench,CMM}'::text[],
	 '{CORE,MOULD,MELT,CLEAN,CLEAN,QA}'::text[]),
	('tools',
	 '{End mill,Twist drill,Reamer,Thread tap,Insert holder,Boring bar,Form cutter,Step drill,Saw blade,Punch}'::text[],
	 '{HSS-E,K20F carbide,K40UF carbide,1.2379,PM-HSS ASP2030}'::text[],
	 '{Cutting to length,Cylindrical grinding,Flute grinding,Hardening,TiAlN coating,Measuring}'::text[],
	 '{Behringer band saw,Studer S33,Walter Helitronic,Ipsen vacuum furnace,Cemecon coater,Zoller genius}'::text[],
	 '{SAW,GRIND,CNC-GRIND,HEAT,COAT,QA}'::text[]),
	('machining',
	 '{Drive shaft,Flange,Hydraulic block,Spindle,Coupling,Piston rod,Gear blank,Adapter plate,Bushing,Axle}'::text[],
	 '{C45,42CrMo4,11SMn30,X5CrNi18-10,EN AW-7075,CuZn39Pb3}'::text[],
	 '{Sawing,Turning,Milling,Deburring,Washing,Final inspection}'::text[],
	 '{Kasto saw,DMG CTX beta,Hermle C32,Deburring bench,Dürr washer,Zeiss Contura}'::text[],
	 '{SAW,TURN,MILL,BENCH,BENCH,QA}'::text[])
) AS t (industry, items, materials, routing, machines, centers)
WHERE industry = :'industry';

-- 400 items: "PUM-0042", "Pump housing EN-GJL-250, type 42".
CREATE TEMPORARY TABLE item ON COMMIT DROP AS
SELECT n AS item_no, upper(left(noun, 3)) || '-' || to_char(n, 'FM0000') AS code,
	noun || ' ' || material || ', type ' || n AS name,
	round((8 + pg_temp.pick(n, 3, 40000) / 100.0)::numeric, 2) AS price
FROM trade, generate_series(1, 400) AS n,
	LATERAL (SELECT pg_temp.word(items, n, 1) AS noun, pg_temp.word(materials, n, 2) AS material) AS w;
ALTER TABLE item ADD PRIMARY KEY (item_no);

INSERT INTO company SELECT :'company', :'city', industry FROM trade;

-- Twenty of each machine; the work center numbers its own through.
INSERT INTO resources
SELECT n, center || '-' || to_char(row_number() OVER (PARTITION BY center ORDER BY n), 'FM00'),
	machines[k] || ' ' || (n - 1) / 6 + 1, center,
	38 + pg_temp.pick(n, 5, 9000) / 100.0, (ARRAY[40, 80, 80, 120])[1 + pg_temp.pick(n, 6, 4)],
	pg_temp.pick(n, 7, 25) > 0
FROM trade, generate_series(1, 120) AS n, LATERAL (SELECT (n - 1) % 6 + 1 AS k) AS x,
	LATERAL (SELECT centers[k] AS center) AS y;

INSERT INTO sales_orders
SELECT n, 'SO-' || to_char(ordered, 'YY') || '-' || to_char(n, 'FM00000'),
	pg_temp.word('{Nordwind,Hansa,Alpin,Rhein,Donau,Weser,Iller,Tatra,Vistula,Lagom,Jura,Brenta}', c, 10) || ' ' ||
	pg_temp.word('{Pumpen,Hydraulik,Antriebe,Fahrzeugbau,Turbinen,Landtechnik,Robotics,Rail,Marine,Medtech}', c, 11) || ' ' ||
	pg_temp.word('{GmbH,AG,KG,SE,S.A.,AB}', c, 12),
	pg_temp.word('{DE,DE,DE,DE,AT,CH,PL,FR,SE,IT,NL,US}', c, 13),
	i.code, i.name, 1 + pg_temp.pick(n, 14, 12) * (1 + pg_temp.pick(n, 15, 25)), i.price, ordered, promised,
	CASE WHEN pg_temp.pick(n, 16, 40) = 0 THEN 'cancelled'
		WHEN promised < :today - 30 THEN 'invoiced'
		WHEN promised < :today THEN 'shipped'
		WHEN pg_temp.pick(n, 17, 3) = 0 THEN 'open'
		ELSE 'confirmed' END
FROM generate_series(1, :orders * 4 / 5) AS n,
	-- Few customers order much, many order little: the square bends the spread.
	LATERAL (SELECT pg_temp.pick(n, 18, 1000) * pg_temp.pick(n, 18, 1000) / 5000 AS c,
		:today - 420 + n * 420 / (:orders * 4 / 5) AS ordered) AS x,
	LATERAL (SELECT ordered + 14 + pg_temp.pick(n, 19, 60) AS promised) AS y,
	item AS i
WHERE i.item_no = 1 + pg_temp.pick(n, 20, 400) * pg_temp.pick(n, 21, 400) / 400;

INSERT INTO production_orders
SELECT n, 'PO-' || to_char(released, 'YY') || '-' || to_char(n, 'FM000000'),
	s.sales_order_id, coalesce(s.item_code, i.code), coalesce(s.item_name, i.name), pieces,
	CASE WHEN progress >= 100 THEN pieces WHEN progress > 0 THEN pieces * progress / 100 ELSE 0 END,
	1 + pg_temp.pick(n, 30, 5), released, due,
	CASE WHEN due < :today - 45 THEN 'closed' WHEN progress >= 100 THEN 'done' WHEN progress > 0 THEN 'running'
		WHEN released <= :today THEN 'released' ELSE 'planned' END
FROM generate_series(1, :orders) AS n
	-- Four of five are made to order, in the order in which they were sold.
	LEFT JOIN sales_orders AS s ON n % 5 > 0 AND s.sales_order_id = n - n / 5
	JOIN item AS i ON i.item_no = 1 + pg_temp.pick(n, 31, 400),
	LATERAL (SELECT coalesce(s.quantity, 50 + 10 * pg_temp.pick(n, 32, 46)) AS pieces,
		coalesce(s.ordered_on, :today - 420 + n * 420 / :orders) + 2 + pg_temp.pick(n, 33, 8) AS released) AS x,
	LATERAL (SELECT greatest(coalesce(s.promised_on, released + 30) - 3, released) AS due) AS y,
	LATERAL (SELECT CASE WHEN released > :today THEN 0
		ELSE 100 * (:today - released) / greatest(due - released, 1) - pg_temp.pick(n, 34, 40) + 15 END AS progress) AS z;

INSERT INTO operations
SELECT row_number() OVER (ORDER BY p.production_order_id, step), p.production_order_id, step * 10,
	routing[step],
	-- machine `step` of the trade, one of its twenty copies
	step + 6 * pg_temp.pick(p.production_order_id * 10 + step, 40, 20),
	5 + 2.5 * pg_temp.pick(p.production_order_id * 10 + step, 41, 25),
	0.2 + pg_temp.pick(p.production_order_id * 10 + step, 42, 900) / 60.0,
	p.released_on + (p.due_on - p.released_on) * (step - 1) / 6 * interval '1 day'
		+ (6 + pg_temp.pick(p.production_order_id * 10 + step, 43, 36) / 3.0) * interval '1 hour',
	CASE WHEN finished THEN p.quantity - scrap ELSE 0 END, CASE WHEN finished THEN scrap ELSE 0 END,
	CASE WHEN finished THEN 'done'
		WHEN p.status = 'running' AND step = 1 + 6 * p.quantity_done / p.quantity THEN 'running'
		ELSE 'waiting' END
FROM trade, production_orders AS p, generate_series(1, 6) AS step,
	LATERAL (SELECT p.quantity_done * 6 >= p.quantity * step AS finished,
		CASE WHEN pg_temp.pick(p.production_order_id * 10 + step, 44, 6) = 0
			THEN p.quantity * pg_temp.pick(p.production_order_id, 45, 8) / 100 ELSE 0 END AS scrap) AS x
-- A routing leaves out one step or two; the first and the last are always there.
WHERE step IN (1, 6) OR pg_temp.pick(p.production_order_id * 10 + step, 46, 8) < 5;

-- Material goes out when an order starts, goods come in step by step, and leave when sold.
INSERT INTO inventory_transactions
	(production_order_id, sales_order_id, kind, item_code, quantity, location, booked_at, booked_by)
SELECT production_order_id, sales_order_id, kind, item_code, quantity,
	chr(65 + pg_temp.pick(k, 50, 6)) || '-' || to_char(1 + pg_temp.pick(k, 51, 40), 'FM00') || '-' || 1 + pg_temp.pick(k, 52, 5),
	day + (6 + pg_temp.pick(k, 53, 600) / 60.0) * interval '1 hour',
	pg_temp.word('{m.brandt,k.nowak,a.lindqvist,j.huber,s.moreau,t.okafor,e.rossi,p.svoboda}', k, 54)
FROM (
	SELECT production_order_id * 100 + part AS k, production_order_id, NULL::integer AS sales_order_id, 'issue' AS kind,
		'RAW-' || to_char(1 + pg_temp.pick(production_order_id * 10 + part, 55, 80), 'FM000') AS item_code,
		-round((quantity * (0.2 + pg_temp.pick(production_order_id * 10 + part, 56, 300) / 100.0))::numeric, 3) AS quantity,
		released_on::timestamptz AS day
	FROM production_orders, generate_series(1, 2) AS part WHERE status NOT IN ('planned', 'released')
	UNION ALL
	SELECT production_order_id * 100 + 10 + lot, production_order_id, NULL, 'receipt', item_code,
		quantity_done / 3 + CASE WHEN lot <= quantity_done % 3 THEN 1 ELSE 0 END,
		released_on + (due_on - released_on) * lot / 3 * interval '1 day'
	FROM production_orders, generate_series(1, 3) AS lot WHERE quantity_done / 3 + CASE WHEN lot <= quantity_done % 3 THEN 1 ELSE 0 END > 0
	UNION ALL
	SELECT sales_order_id * 100 + 50, NULL, sales_order_id, 'shipment', item_code, -quantity, promised_on::timestamptz
	FROM sales_orders WHERE status IN ('shipped', 'invoiced')
	UNION ALL
	SELECT item_no * 100 + 70, NULL, NULL, 'adjustment', code,
		CASE WHEN pg_temp.pick(item_no, 57, 2) = 0 THEN -1 ELSE 1 END * (1 + pg_temp.pick(item_no, 58, 9)),
		(:today - pg_temp.pick(item_no, 59, 400))::timestamptz
	FROM item
) AS t
ORDER BY day, k;

COMMIT;
ANALYZE company, resources, sales_orders, production_orders, operations, inventory_transactions;
