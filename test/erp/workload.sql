-- What the ERP's users do all day, for pgbench: -f workload.sql -D orders=N (as in seed.sql).
-- Of 100 transactions: 50 look-ups at shop-floor terminals, 25 bookings, 20 looks at a sales order, 5 planner's lists.
\set order random_zipfian(1, :orders, 1.1)
\set sale random(1, :orders * 4 / 5)
\set resource random(1, 120)
\set pieces random(1, 5)
\set what random(1, 100)
\if :what <= 50
SELECT o.sequence, o.description, o.status, r.code, o.quantity_good, o.quantity_scrap FROM operations AS o JOIN resources AS r USING (resource_id) WHERE o.production_order_id = :order ORDER BY o.sequence;
\elif :what <= 75
BEGIN;
SELECT quantity, quantity_done, item_code FROM production_orders WHERE production_order_id = :order FOR UPDATE;
UPDATE operations SET quantity_good = quantity_good + :pieces WHERE production_order_id = :order AND sequence = 10;
UPDATE production_orders SET quantity_done = quantity_done + :pieces WHERE production_order_id = :order;
INSERT INTO inventory_transactions (production_order_id, kind, item_code, quantity, location, booked_at, booked_by) SELECT production_order_id, 'receipt', item_code, :pieces, 'A-01-1', now(), 'terminal' FROM production_orders WHERE production_order_id = :order;
COMMIT;
\elif :what <= 95
SELECT s.order_no, s.customer, s.promised_on, p.order_no, p.status, p.quantity_done, p.quantity FROM sales_orders AS s LEFT JOIN production_orders AS p USING (sales_order_id) WHERE s.sales_order_id = :sale;
\else
SELECT p.order_no, o.description, o.planned_start, o.setup_minutes + o.minutes_a_piece * p.quantity AS minutes FROM operations AS o JOIN production_orders AS p USING (production_order_id) WHERE o.resource_id = :resource AND o.status IN ('waiting', 'running') ORDER BY p.priority, o.planned_start LIMIT 20;
\endif
